"""A tuned bundle gives the original's probabilities and is refused on other machines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.session import this_machine
from opendr_har_core.backends.tuning import tune_bundle
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.errors import ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D

# Widths that fill no block of 8 or 16 channels.
ODD = X3DConfig("odd", image_size=32, frames=3, stride=1, stage_depths=(2, 2), stage_widths=(20, 36), stem_width=20)
LABELS = LabelMap(["sitting", "standing", "walking"])


@pytest.fixture(scope="module", params=["full", "none"])
def bundle(request, tmp_path_factory):
    network = CoX3D(replace(ODD, lookahead=request.param), 3)
    return export_bundle(network, tmp_path_factory.mktemp("bundle") / "odd.onnx", LABELS, source="a test")


@pytest.fixture(scope="module")
def tuned(bundle):
    return tuned_or_skip(bundle, bundle.with_name("tuned.onnx"))


def tuned_or_skip(source, target):
    try:
        return tune_bundle(source, target)
    except ModelError as error:
        if "plain layout" in str(error):
            pytest.skip(str(error))
        raise


def stepped(backend, frames, rows=1):
    state = backend.state([None] * rows)
    return np.stack([backend.step([frame] * rows, state).probabilities for frame in frames])


def test_a_tuned_bundle_gives_the_same_probabilities_alone_and_in_a_batch(bundle, tuned):
    frames = np.random.default_rng(1).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    original, backend = OnnxBackend(bundle), OnnxBackend(tuned.path)
    expected = stepped(original, frames)
    assert tuned.difference <= 1e-5
    for rows in (1, 3):
        np.testing.assert_allclose(stepped(backend, frames, rows), expected.repeat(rows, 1), atol=1e-6)
    assert backend.metadata == replace(original.metadata, tuned_for=this_machine())


def test_states_are_not_reordered_and_used_while_they_are_in_the_caches(bundle, tuned):
    nodes = onnx.load(tuned.path).graph.node
    names = [node.name for node in nodes]
    kept = [name for node in nodes if "Reorder" in node.op_type for name in [*node.input, *node.output]]
    assert [name for name in kept if name.startswith(("state.", "next."))] == []
    looks_ahead = OnnxBackend(bundle).spec.lookahead == "full"
    # the stem, the shortcuts, the buffers, the partial sums
    assert tuned.state_buffers == (1 + 4 + 2 + 2 * 2 if looks_ahead else 1 + 2 + 2)
    for block in ("s2.pathway0_res0.branch2", "s3.pathway0_res0.branch2") if not looks_ahead else ():
        written = next(index for index, name in enumerate(names) if name.startswith(f"next.{block}.b.partial0"))
        assert names[written - 1].startswith(f"{block}.a")


def test_a_bundle_that_was_tuned_elsewhere_is_refused(tuned, tmp_path):
    model = onnx.load(tuned.path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**properties, "opendr_har.tuned_for": "ONNX Runtime 1.0 on a toaster"})
    path = tmp_path / "elsewhere.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"tuned for ONNX Runtime 1\.0 on a toaster, this is ONNX Runtime"):
        OnnxBackend(path)


def test_what_cannot_be_tuned_is_refused(tuned, tmp_path):
    with pytest.raises(ModelError, match="tuned already"):
        tune_bundle(tuned.path, tmp_path / "again.onnx")
    clips = export_bundle(X3D(ODD, 3), tmp_path / "clips.onnx", LABELS, source="test")
    with pytest.raises(ModelError, match="has no state; only a cox3d"):
        tune_bundle(clips, tmp_path / "tuned.onnx")
    with pytest.raises(ModelError, match=r"no model file .*gone\.onnx"):
        tune_bundle(tmp_path / "gone.onnx", tmp_path / "tuned.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["clips.onnx"]


def test_a_real_tuned_model_gives_the_golden_outputs(shared, real_bundle, tmp_path):
    tuned = tuned_or_skip(real_bundle("cox3d", "s"), tmp_path / "tuned.onnx")
    golden = np.load(shared / "golden" / "cox3d_s_archery.npz")
    first = int(golden["first_output_window13"])
    logits = golden["logits_window13"]
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    ours = stepped(OnnxBackend(tuned.path), golden["frames"])[first:, 0]
    assert np.abs(ours - exponents / exponents.sum(axis=1, keepdims=True)).max() <= 1e-3
