"""A quantised bundle is smaller, runs the graph of its original, and says what it is."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import torch
from onnx import numpy_helper

from opendr_har_core.backends.fingerprint import this_machine
from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.session import open_session, session_settings
from opendr_har_core.backends.tuning import tune_bundle
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.bundles.quantization import compare_on, exact_int8, quantize_bundle, rounded_to_int8
from opendr_har_core.cli.main import main
from opendr_har_core.errors import ConfigError, ModelError, VideoError
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import write_video
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.synthetic.scene import render_clip

# Wide enough that the last stage and the head have weights that are stored as int8.
SMALL = X3DConfig("small", image_size=32, frames=3, stride=6, stage_depths=(1, 2), stage_widths=(16, 96), stem_width=8)
LABELS = LabelMap(["sitting", "standing", "walking"])
NETWORKS = {"x3d": X3D, "cox3d": CoX3D}


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def bundle(request, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("bundle") / f"{request.param}.onnx"
    return export_bundle(NETWORKS[request.param](SMALL, 3), path, LABELS, source="random weights of a test")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("clip") / "walking.mp4", render_clip("walking", 3.0), fps=30)


def probabilities(backend):
    """Over a few frames of noise, (n, classes)."""
    rng = np.random.default_rng(0)
    side, window = backend.spec.image_size, backend.spec.window
    if not backend.spec.is_continual:
        return backend.classify(rng.integers(0, 256, (4, window, side, side, 3), dtype=np.uint8))
    state = backend.state([None])
    return np.concatenate(
        [backend.step(frame, state) for frame in rng.integers(0, 256, (8, 1, side, side, 3), np.uint8)]
    )


def as_run(path, folder):
    """Operators and types of weights of the graph as ONNX Runtime runs it."""
    optimized = folder / "optimized.onnx"
    open_session(path, session_settings(), rows=1, save_optimized=optimized)
    model = onnx.load(optimized)
    return Counter(node.op_type for node in model.graph.node), Counter(w.data_type for w in model.graph.initializer)


def weight_bytes(path):
    sizes = Counter()
    for weight in onnx.load(path).graph.initializer:
        values = numpy_helper.to_array(weight)
        sizes[str(values.dtype)] += values.nbytes
    return sizes


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 1e-3), ("int8", 1e-2)])
def test_probabilities_stay_close_to_the_originals(bundle, tmp_path, precision, tolerance):
    report = quantize_bundle(bundle, tmp_path / "small.onnx", precision)
    original, quantized = (probabilities(OnnxBackend(path)) for path in (bundle, report.path))
    difference = np.abs(original - quantized).max()
    assert 0 < difference < tolerance


def test_float16_stores_the_weights_in_half_the_bytes(bundle, tmp_path):
    report = quantize_bundle(bundle, tmp_path / "small.onnx", "float16")
    before, after = weight_bytes(bundle), weight_bytes(report.path)
    unchanged = after["float32"]
    assert after["float16"] * 2 + unchanged == before["float32"]
    assert unchanged < 0.05 * before["float32"]


def test_int8_stores_most_of_the_weights_in_a_quarter(bundle, tmp_path):
    report = quantize_bundle(bundle, tmp_path / "small.onnx", "int8")
    before, after = weight_bytes(bundle), weight_bytes(report.path)
    assert after["int8"] * 4 > 0.9 * before["float32"]
    assert sum(after.values()) < 0.3 * sum(before.values())
    assert (report.source_bytes, report.target_bytes) == (bundle.stat().st_size, report.path.stat().st_size)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_the_runtime_unpacks_the_weights_when_it_opens_the_bundle(bundle, tmp_path, precision):
    report = quantize_bundle(bundle, tmp_path / "small.onnx", precision)
    assert as_run(report.path, tmp_path) == as_run(bundle, tmp_path)


def test_a_quantized_bundle_says_so_and_keeps_its_origin(bundle, tmp_path):
    before = OnnxBackend(bundle).metadata
    after = OnnxBackend(quantize_bundle(bundle, tmp_path / "small.onnx", "int8").path).metadata
    assert (before.precision, after.precision) == ("float32", "int8")
    assert (after.spec, after.labels, after.source, after.delays) == (
        before.spec,
        before.labels,
        before.source,
        before.delays,
    )
    assert after.weights_sha256 == before.weights_sha256


def test_a_bundle_from_before_there_was_a_precision_is_read_as_float32(bundle, tmp_path):
    model = onnx.load(bundle)
    kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != "opendr_har.precision"}
    onnx.helper.set_model_props(model, kept)
    onnx.save(model, tmp_path / "old.onnx")
    assert OnnxBackend(tmp_path / "old.onnx").metadata.precision == "float32"


def test_a_quantized_bundle_batches_streams(tmp_path):
    torch.manual_seed(0)
    bundle = export_bundle(CoX3D(SMALL, 3), tmp_path / "cox3d.onnx", LABELS, source="test")
    backend = OnnxBackend(quantize_bundle(bundle, tmp_path / "small.onnx", "int8").path)
    frames = np.random.default_rng(0).integers(0, 256, (5, 2, 32, 32, 3), dtype=np.uint8)
    together, alone = backend.state([None, None]), backend.state([None])
    for pair in frames:
        both, one = backend.step(pair, together), backend.step(pair[1:], alone)
        np.testing.assert_allclose(both[1], one[0], atol=1e-6)


def test_rounding_keeps_each_channels_sum_within_half_a_step():
    values = np.random.default_rng(0).standard_normal((50, 64, 1, 1)).astype(np.float32)
    steps, scales = rounded_to_int8(values)
    assert (steps.dtype, steps.shape, scales.shape) == (np.int8, values.shape, (50, 1, 1, 1))
    errors = steps.astype(np.float64) - values / scales.astype(np.float64)
    assert np.abs(errors).max() < 1
    assert np.abs(errors.sum(axis=(1, 2, 3))).max() <= 0.5
    assert np.abs((np.rint(values / scales) - values / scales).sum(axis=(1, 2, 3))).max() > 2


def test_rounding_leaves_zeros_and_the_largest_weights_exact():
    values = np.array([[0.0, 0.0, 0.0, 0.0], [-2.0, 0.0, 0.011, 2.0]], np.float32)
    steps, scales = rounded_to_int8(values)
    assert steps.tolist() == [[0, 0, 0, 0], [-127, 0, 1, 127]]
    np.testing.assert_allclose((steps * scales)[1, [0, 3]], [-2.0, 2.0], rtol=1e-6)


@pytest.mark.parametrize("shape", [(50, 64, 1, 1), (108, 1, 3, 3)])
def test_weights_that_were_int8_before_are_recognised(shape):
    steps = np.random.default_rng(0).integers(-128, 128, shape)
    values = (steps * np.float32(0.0137)).astype(np.float32)
    found, scale = exact_int8(values)
    assert (found.dtype, scale.dtype, scale.shape) == (np.int8, np.float32, (1, 1, 1, 1))
    np.testing.assert_array_equal(found, steps)
    np.testing.assert_allclose(found * scale, values, rtol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).standard_normal((50, 64)),
        np.random.default_rng(0).integers(-128, 128, (50, 64)) * np.linspace(0.01, 0.02, 50)[:, None],
        np.arange(-1000, 1000).reshape(50, 40) * 0.1,
        np.zeros((50, 64)),
    ],
    ids=["any", "a scale for each channel", "more than eight bits", "zeros"],
)
def test_weights_that_no_single_scale_fits_are_rounded(values):
    assert exact_int8(values.astype(np.float32)) is None


def test_int8_stores_weights_of_any_size_that_were_int8_before(tmp_path):
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
    report = quantize_bundle(bundle, tmp_path / "small.onnx", "int8")
    assert "float16" not in weight_bytes(report.path)
    original, quantized = (probabilities(OnnxBackend(path)) for path in (bundle, report.path))
    np.testing.assert_allclose(quantized, original, atol=1e-6)


def test_weights_beyond_float16_stay_as_they_are(bundle, tmp_path):
    model = onnx.load(bundle)
    weight = next(w for w in model.graph.initializer if w.name == "head.conv_5.weight")
    large = numpy_helper.to_array(weight) + np.float32(1e5)
    weight.CopyFrom(numpy_helper.from_array(large, weight.name))
    onnx.save(model, tmp_path / "large.onnx")
    report = quantize_bundle(tmp_path / "large.onnx", tmp_path / "small.onnx", "float16")
    stored = {w.name: w for w in onnx.load(report.path).graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(stored["head.conv_5.weight"]), large)


def test_the_report_compares_both_bundles_on_the_users_clips(bundle, clip, tmp_path):
    agreement = quantize_bundle(bundle, tmp_path / "small.onnx", "int8", [clip, clip]).agreement
    assert agreement.clips == 2
    assert agreement.predictions >= 2 * 12
    assert 0 < agreement.difference < 1e-2
    assert agreement.rate == agreement.same / agreement.predictions


def test_models_that_disagree_are_counted_as_such(bundle, clip, tmp_path):
    model = onnx.load(bundle)
    bias = next(w for w in model.graph.initializer if w.name == "head.projection.bias")
    bias.CopyFrom(numpy_helper.from_array(np.array([0, 0, 50], np.float32), bias.name))
    onnx.save(model, tmp_path / "always_walking.onnx")
    bias.CopyFrom(numpy_helper.from_array(np.array([50, 0, 0], np.float32), bias.name))
    onnx.save(model, tmp_path / "always_sitting.onnx")
    first, second = (Recognizer.open(tmp_path / f"always_{what}.onnx") for what in ("walking", "sitting"))
    agreement = compare_on([clip], first, second)
    assert (agreement.same, agreement.rate) == (0, 0.0)
    assert agreement.difference == pytest.approx(1.0, abs=1e-3)


def test_quantizing_twice_is_refused(bundle, tmp_path):
    once = quantize_bundle(bundle, tmp_path / "once.onnx", "float16").path
    with pytest.raises(ModelError, match="quantised already, to float16; quantise what it was made from"):
        quantize_bundle(once, tmp_path / "twice.onnx", "int8")
    assert not (tmp_path / "twice.onnx").exists()


def test_a_tuned_bundle_is_refused(bundle, tmp_path):
    model = onnx.load(bundle)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**properties, "opendr_har.tuned_for": this_machine()})
    onnx.save(model, tmp_path / "tuned.onnx")
    with pytest.raises(ModelError, match="is tuned, for ONNX Runtime"):
        quantize_bundle(tmp_path / "tuned.onnx", tmp_path / "small.onnx", "int8")


@pytest.mark.parametrize("precision", ["int4", "float32", ""])
def test_another_precision_is_refused(bundle, tmp_path, precision):
    with pytest.raises(ConfigError, match=rf"precision is '{precision}', expected one of \('float16', 'int8'\)"):
        quantize_bundle(bundle, tmp_path / "small.onnx", precision)


def test_what_is_no_bundle_is_refused(bundle, tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match=r"text\.onnx can't be opened"):
        quantize_bundle(tmp_path / "text.onnx", tmp_path / "small.onnx", "int8")
    with pytest.raises(ModelError, match=r"no model file .*gone\.onnx"):
        quantize_bundle(tmp_path / "gone.onnx", tmp_path / "small.onnx", "int8")
    with pytest.raises(ModelError, match="can't write the bundle"):
        quantize_bundle(bundle, tmp_path / "no_such_folder" / "small.onnx", "int8")


def test_nothing_is_written_where_a_clip_cannot_be_read(bundle, tmp_path):
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        quantize_bundle(bundle, tmp_path / "small.onnx", "int8", [tmp_path / "gone.mp4"])
    with pytest.raises(ConfigError, match="'0' is a webcam"):
        quantize_bundle(bundle, tmp_path / "small.onnx", "int8", ["0"])
    assert list(tmp_path.iterdir()) == []


def test_the_command_reports_size_and_agreement(bundle, clip, tmp_path, capsys):
    target = tmp_path / "small.onnx"
    assert main(["quantize", str(bundle), str(target), "--weights", "int8", "--clips", str(clip)]) == 0
    size, agreement = capsys.readouterr().out.splitlines()
    assert "int8 weights" in size
    assert "same label in" in agreement
    assert "over 1 clip" in agreement
    assert target.is_file()


def test_the_command_asks_for_onnx_where_there_is_none(bundle, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "opendr_har_core.bundles.quantization", None)
    assert main(["quantize", str(bundle), str(tmp_path / "small.onnx"), "--weights", "int8"]) == 1
    assert "pip install onnx" in capsys.readouterr().err


@pytest.mark.parametrize("network", [("x3d", "xs"), ("cox3d", "s")], ids="_".join)
@pytest.mark.parametrize(("precision", "largest_share", "tolerance"), [("float16", 0.52, 1e-2), ("int8", 0.3, 1e-4)])
def test_real_weights_on_real_clips(
    network, precision, largest_share, tolerance, shared, real_bundle, tmp_path, record_property
):
    """They come from an int8 export, so that int8 is exact and float16 rounds."""
    clips = sorted((shared / "videos" / "labelled").glob("*.avi"))
    report = quantize_bundle(real_bundle(*network), tmp_path / "small.onnx", precision, clips)
    share = report.target_bytes / report.source_bytes
    record_property("share_of_size", round(share, 3))
    record_property("same_label", f"{report.agreement.same}/{report.agreement.predictions}")
    record_property("largest_difference", round(report.agreement.difference, 4))
    assert share <= largest_share
    assert report.agreement.predictions >= 50
    assert report.agreement.rate >= 0.99
    assert report.agreement.difference < tolerance


def test_a_quantized_stream_model_can_be_tuned(real_bundle, tmp_path):
    small = quantize_bundle(real_bundle("cox3d", "s"), tmp_path / "small.onnx", "int8").path
    try:
        tuned = tune_bundle(small, tmp_path / "tuned.onnx")
    except ModelError as error:
        pytest.skip(f"no tuning here: {error}")
    metadata = OnnxBackend(tuned.path).metadata
    assert metadata.precision == "int8"
    assert metadata.tuned_for
    assert tuned.path.stat().st_size > 3 * small.stat().st_size
