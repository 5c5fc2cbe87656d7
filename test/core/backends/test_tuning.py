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
NARROW = replace(ODD, stage_widths=(12, 20), stem_width=12)
LABELS = LabelMap(["sitting", "standing", "walking"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "odd.onnx"
    return export_bundle(CoX3D(ODD, 3), path, LABELS, source="random weights of a test")


@pytest.fixture(scope="module")
def tuned(bundle):
    return tuned_or_skip(bundle, bundle.with_name("tuned.onnx"))


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    path = tmp_path_factory.mktemp("causal") / "causal.onnx"
    return export_bundle(CoX3D(replace(ODD, lookahead="none"), 3), path, LABELS, source="random weights of a test")


@pytest.fixture(scope="module")
def tuned_causal(causal):
    return tuned_or_skip(causal, causal.with_name("tuned.onnx"))


def tuned_or_skip(source, target):
    try:
        return tune_bundle(source, target)
    except ModelError as error:
        if "plain layout" in str(error):
            pytest.skip(str(error))
        raise


def stepped(backend, frames, rows=1):
    state = backend.state([None] * rows)
    return np.stack([backend.step([frame] * rows, state) for frame in frames])


@pytest.mark.parametrize(("plain", "rewritten"), [("bundle", "tuned"), ("causal", "tuned_causal")])
def test_a_tuned_bundle_gives_the_same_probabilities_alone_and_in_a_batch(plain, rewritten, request):
    bundle, tuned = request.getfixturevalue(plain), request.getfixturevalue(rewritten)
    frames = np.random.default_rng(1).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    expected = stepped(OnnxBackend(bundle), frames)
    assert tuned.difference <= 1e-5
    for rows in (1, 3):
        np.testing.assert_allclose(stepped(OnnxBackend(tuned.path), frames, rows), expected.repeat(rows, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("fixture", "state_buffers"),
    # the stem, the shortcuts, the buffers, the partial sums
    [("tuned", 1 + 4 + 2 + 2 * 2), ("tuned_causal", 1 + 2 + 2)],
)
def test_states_are_not_reordered(fixture, state_buffers, request):
    tuned = request.getfixturevalue(fixture)
    nodes = onnx.load(tuned.path).graph.node
    kept = [name for node in nodes if "Reorder" in node.op_type for name in [*node.input, *node.output]]
    assert tuned.state_buffers == state_buffers
    assert [name for name in kept if name.startswith(("state.", "next."))] == []


def test_operators_on_states_run_next_to_those_that_need_them(tuned_causal):
    names = [node.name for node in onnx.load(tuned_causal.path).graph.node]

    def place(start):
        return next(index for index, name in enumerate(names) if name.startswith(start))

    for block in ("s2.pathway0_res1.branch2", "s3.pathway0_res1.branch2"):
        past = place(f"{block}.b.tap0")
        assert [place(f"next.{block}.b"), place(f"{block}.b.tap1")] == [past + 1, past + 2]
    for block in ("s2.pathway0_res0.branch2", "s3.pathway0_res0.branch2"):
        assert place(f"next.{block}.b.partial0") == place(f"{block}.a") + 1


def test_layers_too_narrow_for_blocks_stay_plain(tmp_path):
    bundle = export_bundle(CoX3D(NARROW, 3), tmp_path / "narrow.onnx", LABELS, source="test")
    assert tuned_or_skip(bundle, tmp_path / "tuned.onnx").difference <= 1e-5


def test_a_tuned_bundle_keeps_the_metadata(bundle, tuned):
    original, metadata = OnnxBackend(bundle).metadata, OnnxBackend(tuned.path).metadata
    assert metadata.tuned_for == this_machine()
    assert (metadata.spec, metadata.labels, metadata.weights_sha256) == (
        original.spec,
        original.labels,
        original.weights_sha256,
    )


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


def test_a_machine_is_described_by_runtime_and_vector_width(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu avx2 avx512f avx512dq\n")
    assert this_machine(cpuinfo).endswith("with AVX-512")
    cpuinfo.write_text("flags\t\t: fpu avx2\n")
    assert "AVX-512" not in this_machine(cpuinfo)
    assert this_machine(tmp_path / "none").startswith("ONNX Runtime")
