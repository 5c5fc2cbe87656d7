"""A bundle gives what its classifier takes: on both runtimes, tuned, and with smaller weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from opendr_har_core import Frame, Recognizer
from opendr_har_core.backends.torch import TorchBackend
from opendr_har_core.backends.tuning import tune_bundle
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.bundles.graph_cost import graph_cost
from opendr_har_core.bundles.quantization import quantize_bundle
from opendr_har_core.errors import ModelError
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.streaming.settings import StreamSettings

# Widths that fill no block of 8 or 16 channels.
ODD = X3DConfig("odd", image_size=32, frames=3, stride=1, stage_depths=(2, 2), stage_widths=(20, 36), stem_width=20)


@pytest.fixture(scope="module", params=["x3d", "full", "none"])
def network(request):
    torch.manual_seed(3)
    config = replace(ODD, lookahead="none" if request.param == "none" else "full")
    return (X3D if request.param == "x3d" else CoX3D)(config, 3).eval()


@pytest.fixture(scope="module")
def bundle(network, tmp_path_factory):
    return export_bundle(network, tmp_path_factory.mktemp("bundle") / "odd.onnx", source="a test")


def seen(recognizer):
    """(features, scores) of predictions about the same frames, from the first one on."""
    spec, rng = recognizer.spec, np.random.default_rng(0)
    pixels = rng.integers(0, 256, (spec.warm_up + 4, 32, 32, 3), dtype=np.uint8)
    stream = recognizer.stream(min_frames=1)
    found = [stream.push(Frame(image, index * spec.period_ns)) for index, image in enumerate(pixels)]
    rows = [(prediction.features, prediction.scores) for prediction in found if prediction]
    assert len(rows) == spec.warm_up + 4 - spec.silent_frames
    return tuple(map(np.array, zip(*rows)))


def test_the_classifier_turns_the_features_into_the_probabilities(network, bundle):
    features, scores = seen(Recognizer.open(bundle))
    assert features.shape[1] == network.head.conv_5.out_channels
    with torch.inference_mode():
        np.testing.assert_allclose(network.head.classify(torch.from_numpy(features)).softmax(1), scores, atol=1e-5)
    np.testing.assert_allclose(features, seen(Recognizer(TorchBackend(network)))[0], atol=1e-5)
    assert np.ptp(features, axis=0).max() > 1e-3


def test_smaller_and_tuned_bundles_give_them_too(network, bundle, tmp_path):
    features, _ = seen(Recognizer.open(bundle))
    smaller = quantize_bundle(bundle, tmp_path / "smaller.onnx").path
    np.testing.assert_allclose(seen(Recognizer.open(smaller))[0], features, atol=1e-4)
    assert graph_cost(smaller) == graph_cost(bundle)
    if isinstance(network, CoX3D):
        try:
            tuned = tune_bundle(bundle, tmp_path / "tuned.onnx").path
        except ModelError as error:
            pytest.skip(str(error))
        np.testing.assert_allclose(seen(Recognizer.open(tuned))[0], features, atol=1e-4)


def test_streams_in_one_batch_get_their_own(bundle):
    recognizer = Recognizer.open(bundle)
    streams = [recognizer.stream(min_frames=1) for _ in range(2)]
    levels = [np.full((32, 32, 3), level, np.uint8) for level in (20, 220)]
    for index in range(recognizer.spec.warm_up + 2):
        stamp = index * recognizer.spec.period_ns
        together = recognizer.push_many([(stream, Frame(level, stamp)) for stream, level in zip(streams, levels)])
    for level, prediction in zip(levels, together):
        frames = [Frame(level, index * recognizer.spec.period_ns) for index in range(recognizer.spec.warm_up + 2)]
        alone = recognizer.features(frames, StreamSettings(min_frames=1))
        np.testing.assert_allclose(prediction.features, alone[-1], atol=1e-6)
