"""A quantized bundle is smaller, runs the graph of its original, and says how its weights are stored."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import torch
from onnx import numpy_helper

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.session import open_session, session_settings, this_machine
from opendr_har_core.backends.tuning import tune_bundle
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.bundles.quantization import exact_int8, quantize_bundle
from opendr_har_core.cli.main import main
from opendr_har_core.errors import ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D

SMALL = X3DConfig("small", image_size=32, frames=3, stride=6, stage_depths=(1, 2), stage_widths=(16, 96), stem_width=8)
LABELS = LabelMap(["sitting", "standing", "walking"])


@pytest.fixture(scope="module", params=[X3D, CoX3D])
def bundle(request, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("bundle") / "whole.onnx"
    return export_bundle(request.param(SMALL, 3), path, LABELS, source="random weights of a test")


def probabilities(path):
    """Over a few frames of noise, (n, classes)."""
    backend, rng = OnnxBackend(path), np.random.default_rng(0)
    side, window = backend.spec.image_size, backend.spec.window
    if not backend.spec.is_continual:
        return backend.classify(rng.integers(0, 256, (4, window, side, side, 3), dtype=np.uint8)).probabilities
    state, frames = backend.state([None]), rng.integers(0, 256, (8, 1, side, side, 3), np.uint8)
    return np.concatenate([backend.step(frame, state).probabilities for frame in frames])


def as_run(path, folder):
    """Operators and types of weights of the graph as ONNX Runtime runs it."""
    optimized = folder / "optimized.onnx"
    open_session(path, session_settings(), rows=1, save_optimized=optimized)
    model = onnx.load(optimized)
    return Counter(node.op_type for node in model.graph.node), Counter(w.data_type for w in model.graph.initializer)


def weight_bytes(path):
    sizes = Counter()
    for values in map(numpy_helper.to_array, onnx.load(path).graph.initializer):
        sizes[str(values.dtype)] += values.nbytes
    return sizes


def test_float_weights_are_stored_in_half_the_bytes_and_run_as_the_original(bundle, tmp_path, capsys):
    small = tmp_path / "small.onnx"
    assert main(["quantize", str(bundle), "--output", str(small)]) == 0
    assert "float16 weights" in capsys.readouterr().out
    before, after = weight_bytes(bundle), weight_bytes(small)
    assert after["float16"] * 2 + after["float32"] == before["float32"]
    assert after["float32"] < 0.05 * before["float32"]
    assert as_run(small, tmp_path) == as_run(bundle, tmp_path)
    assert 0 < np.abs(probabilities(bundle) - probabilities(small)).max() < 1e-3
    one, other = OnnxBackend(bundle).metadata, OnnxBackend(small).metadata
    assert (one.precision, other.precision) == ("float32", "float16")
    for name in ("spec", "labels", "source", "delays", "weights_sha256"):
        assert getattr(one, name) == getattr(other, name)


def test_weights_that_were_int8_are_stored_as_int8_without_loss(tmp_path):
    """Such as those of a network that was converted from a mobile format."""
    torch.manual_seed(0)
    network = CoX3D(SMALL, 3)
    with torch.no_grad():
        for weight in (weight for weight in network.parameters() if weight.dim() > 1):
            scale = weight.abs().max() / 127
            weight.copy_((weight / scale).round() * scale)
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(1 - 1e-5)  # batch normalisation that changes nothing
    bundle = export_bundle(network, tmp_path / "whole.onnx", LABELS, source="test")
    report = quantize_bundle(bundle, tmp_path / "small.onnx")
    before, after = weight_bytes(bundle), weight_bytes(report.path)
    assert after["int8"] * 4 > 0.9 * before["float32"]
    assert after["float16"] < 1000  # constants
    assert as_run(report.path, tmp_path) == as_run(bundle, tmp_path)
    np.testing.assert_allclose(probabilities(report.path), probabilities(bundle), atol=1e-6)


@pytest.mark.slow
def test_real_weights_from_an_int8_model_lose_nothing(real_bundle, tmp_path, record_property):
    whole = real_bundle("cox3d", "xs", lookahead="none")
    report = quantize_bundle(whole, tmp_path / "small.onnx")
    share = report.target_bytes / report.source_bytes
    record_property("share_of_size", round(share, 3))
    assert share <= 0.3
    np.testing.assert_allclose(probabilities(report.path), probabilities(whole), atol=1e-5)
    try:
        tuned = tune_bundle(report.path, tmp_path / "tuned.onnx")
    except ModelError as error:
        pytest.skip(f"no tuning here: {error}")
    metadata = OnnxBackend(tuned.path).metadata
    assert (metadata.precision, metadata.tuned_for) == ("int8", this_machine())


def test_weights_beyond_float16_stay_as_they_are(bundle, tmp_path):
    model = onnx.load(bundle)
    weight = next(w for w in model.graph.initializer if w.name == "head.conv_5.weight")
    large = numpy_helper.to_array(weight) + np.float32(1e5)
    weight.CopyFrom(numpy_helper.from_array(large, weight.name))
    onnx.save(model, tmp_path / "large.onnx")
    report = quantize_bundle(tmp_path / "large.onnx", tmp_path / "small.onnx")
    stored = {w.name: w for w in onnx.load(report.path).graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(stored["head.conv_5.weight"]), large)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).standard_normal((50, 64)),
        np.random.default_rng(0).integers(-128, 128, (50, 64)) * np.linspace(0.01, 0.02, 50)[:, None],
        np.zeros((50, 64)),
    ],
    ids=["any", "a scale for each channel", "zeros"],
)
def test_other_weights_have_no_int8_grid(values):
    assert exact_int8(values.astype(np.float32)) is None


def test_what_cannot_be_quantized_is_refused(bundle, tmp_path):
    once = quantize_bundle(bundle, tmp_path / "once.onnx").path
    (tmp_path / "text.onnx").write_text("hello")
    tuned, model = tmp_path / "tuned.onnx", onnx.load(bundle)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**properties, "opendr_har.tuned_for": this_machine()})
    onnx.save(model, tuned)
    for source, message in [
        (once, "quantized already, to float16"),
        (tuned, "is tuned, for ONNX Runtime"),
        (tmp_path / "text.onnx", r"text\.onnx can't be opened"),
        (tmp_path / "gone.onnx", r"no model file .*gone\.onnx"),
    ]:
        with pytest.raises(ModelError, match=message):
            quantize_bundle(source, tmp_path / "small.onnx")
    assert not (tmp_path / "small.onnx").exists()
