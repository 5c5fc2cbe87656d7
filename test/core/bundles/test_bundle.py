"""A bundle describes itself; anything else is refused with a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from opendr_har_core import Frame, Recognizer
from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.errors import BackendError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D

TINY = X3DConfig("tiny", image_size=32, frames=3, stride=1, stage_depths=(1, 2), stage_widths=(8, 16), stem_width=8)
LABELS = LabelMap(["sitting", "standing", "walking"])


@pytest.fixture(scope="module", params=[X3D, CoX3D])
def bundle(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "tiny.onnx"
    return export_bundle(request.param(TINY, 3), path, LABELS, source="random weights of a test")


def edited(bundle, tmp_path, edit):
    """A copy of the bundle whose ONNX model went through `edit`."""
    model = onnx.load(bundle)
    edit(model)
    path = tmp_path / "edited.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def set_property(model, key, value):
    properties = {entry.key: entry.value for entry in model.metadata_props}
    properties[f"opendr_har.{key}"] = value
    onnx.helper.set_model_props(model, properties)


def test_a_bundle_carries_spec_labels_and_origin(bundle):
    backend = OnnxBackend(bundle)
    assert backend.labels == LABELS
    assert backend.spec.num_classes == 3
    assert backend.spec.image_size == 32
    assert backend.metadata.source == "random weights of a test"
    assert len(backend.metadata.weights_sha256) == 64


def test_scores_that_are_not_finite_are_an_error_and_leave_the_state(bundle, monkeypatch):
    backend = OnnxBackend(bundle)
    run = backend._sessions.run
    if not backend.spec.is_continual:
        monkeypatch.setattr(
            backend._sessions, "run", lambda rows, work: [np.full_like(found, np.nan) for found in run(rows, work)]
        )
        with pytest.raises(BackendError, match="scores are not finite"):
            backend.classify(np.zeros((1, backend.spec.window, 32, 32, 3), np.uint8))
        return
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    state, undisturbed = backend.state([None]), backend.state([None])

    for each in (state, undisturbed):
        backend.step([frames[0]], each)

    def spoilt(rows, work):
        run(rows, work)
        buffers.outputs.probabilities[:] = np.nan

    for frame in frames:
        buffers = backend._spare[1]  # what the next step writes
        with monkeypatch.context() as patched:
            patched.setattr(backend._sessions, "run", spoilt)
            with pytest.raises(BackendError, match="scores are not finite"):
                backend.step([255 - frame], state)
        for one, other in zip(backend.step([frame], state), backend.step([frame], undisturbed)):
            np.testing.assert_array_equal(one, other)


def test_batching_changes_nothing(bundle):
    backend = OnnxBackend(bundle)
    rng = np.random.default_rng(0)
    if backend.spec.is_continual:
        frames = rng.integers(0, 256, (6, 2, 32, 32, 3), dtype=np.uint8)
        together, apart = backend.state([None, None]), [backend.state([None]), backend.state([None])]
        for pair in frames:
            both = backend.step(pair, together).probabilities
            for index in range(2):
                one = backend.step(pair[index : index + 1], apart[index]).probabilities
                np.testing.assert_allclose(one[0], both[index], atol=1e-6)
    else:
        clips = rng.integers(0, 256, (2, 3, 32, 32, 3), dtype=np.uint8)
        both = backend.classify(clips).probabilities
        for index in range(2):
            one = backend.classify(clips[index : index + 1]).probabilities
            np.testing.assert_allclose(one[0], both[index], atol=1e-6)


def test_a_bundle_of_format_3_runs_without_features(bundle, tmp_path):
    def older(model):
        set_property(model, "format_version", "3")
        kept = [entry for entry in model.metadata_props if entry.key != "opendr_har.features"]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
        outputs = [output for output in model.graph.output if output.name != "features"]
        del model.graph.output[:]
        model.graph.output.extend(outputs)

    found = []
    for path in (bundle, edited(bundle, tmp_path, older)):
        recognizer = Recognizer.open(path)
        frames = [Frame(np.full((32, 32, 3), 30 * index, np.uint8), index) for index in range(8)]
        stream = recognizer.stream("every_frame", warm_start="repeat")
        found.append([stream.push(frame) for frame in frames])
    for new, old in zip(*found):
        np.testing.assert_array_equal(new.scores, old.scores)
        assert new.features is not None
        assert old.features is None
    with pytest.raises(ModelError, match="gives no features; export it again"):
        recognizer.features(frames)


def test_a_bundle_of_format_2_is_read_as_one_with_lookahead(bundle, tmp_path):
    def older(model):
        spec = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "opendr_har.spec"))
        del spec["lookahead"]
        set_property(model, "spec", json.dumps(spec))
        set_property(model, "format_version", "2")

    assert OnnxBackend(edited(bundle, tmp_path, older)).spec == OnnxBackend(bundle).spec


def claim_two_classes(model):
    spec = next(entry for entry in model.metadata_props if entry.key == "opendr_har.spec")
    spec.value = spec.value.replace('"num_classes": 3', '"num_classes": 2')
    set_property(model, "labels", '["one", "two"]')


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda model: set_property(model, "format_version", "99"), "bundle format 99, this version reads 2 to 4"),
        (lambda model: model.ClearField("metadata_props"), "without metadata of a bundle"),
        (lambda model: set_property(model, "spec", "{not json"), "unusable metadata"),
        *[
            (lambda model, key=key: set_property(model, key, "[" * 100_000), "unusable metadata")
            for key in ("spec", "labels", "delays", "features", "head")
        ],
        (lambda model: set_property(model, "labels", '["one", "two"]'), "2 class names for a model of 3 classes"),
        (claim_two_classes, "the graph gives probabilities of shape .*, its metadata says 2"),
        *[
            (lambda model, count=count: set_property(model, "features", count), "gives features of shape .* says")
            for count in ("7", "-7", "1000000000000")
        ],
    ],
)
def test_unusable_metadata_is_refused(bundle, tmp_path, edit, message):
    with pytest.raises(ModelError, match=message):
        OnnxBackend(edited(bundle, tmp_path, edit))


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_truncated_bundle_is_refused(bundle, tmp_path, keep):
    content = bundle.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ModelError, match=r"cut\.onnx"):
        OnnxBackend(path)
