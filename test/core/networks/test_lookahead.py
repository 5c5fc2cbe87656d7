"""CoX3D without lookahead: every step is about the newest frame, and equals the causal clip network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.torch import TorchBackend
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.errors import ModelError
from opendr_har_core.frame import Frame
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.spec import ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.training.evaluate import step_over_clips

SIDE, FRAMES, WINDOW = 32, 6, 4


def causal(size="xs", window=WINDOW, side=SIDE, classes=5):
    """A network with random weights and statistics, so that each layer contributes."""
    torch.manual_seed(7)
    network = CoX3D(replace(x3d_config(size, "none"), image_size=side), classes, window)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def pixels(count=FRAMES, side=SIDE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def stepped(backend, frames, rows=1):
    state = backend.state([None] * rows)
    return np.stack([backend.step([frame] * rows, state).probabilities[0] for frame in frames])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return export_bundle(causal(), tmp_path_factory.mktemp("causal") / "cox3d_xs.onnx", source="a test")


@torch.inference_mode()
@pytest.mark.parametrize("size", ["xs", *(pytest.param(size, marks=pytest.mark.slow) for size in "sml")])
def test_stepping_equals_the_causal_clip_network_at_every_frame(size):
    network = causal(size, window=FRAMES)
    clip = torch.randn(2, 3, FRAMES, SIDE, SIDE)
    state = network.initial_state(2)
    for t in range(FRAMES):
        logits, state = network.step(clip[:, :, t], state)
        assert torch.allclose(logits, network(clip[:, :, : t + 1]), atol=1e-5), t


@torch.inference_mode()
def test_a_clip_longer_than_the_window_is_averaged_over_its_last_frames():
    network = causal(window=2)
    clip = torch.randn(1, 3, FRAMES, SIDE, SIDE)
    assert torch.allclose(step_over_clips(network, clip), network(clip), atol=1e-5)


@torch.inference_mode()
def test_outputs_depend_on_their_own_frame_and_on_no_later_one():
    network = causal(window=1)
    clip = torch.randn(1, 3, FRAMES, SIDE, SIDE)
    changed = clip.clone()
    changed[:, :, -1] += 1
    states = [network.initial_state(1), network.initial_state(1)]
    for t in range(FRAMES):
        (one, states[0]), (other, states[1]) = (network.step(c[:, :, t], s) for c, s in zip((clip, changed), states))
        assert torch.equal(one, other) == (t < FRAMES - 1)


@pytest.mark.parametrize(("size", "window"), [("xs", 1), ("s", WINDOW), ("l", WINDOW)])
def test_torch_and_onnx_agree_from_the_first_frame_on(size, window, tmp_path):
    network = causal(size, window)
    path = export_bundle(network, tmp_path / "cox3d.onnx", source="a test")
    one, other = (stepped(backend, pixels()) for backend in (TorchBackend(network), OnnxBackend(path)))
    assert np.abs(one - other).max() <= 1e-4
    assert np.abs(one - one[0]).max() > 1e-4


def test_streams_in_one_batch_average_over_their_own_steps(bundle):
    backend = OnnxBackend(bundle)
    alone = backend.state([None])
    for frame in pixels(3):
        backend.step([frame], alone)
    together = backend.state([(alone, 0), None])
    newest = pixels(1, seed=1)[0]
    old, new = backend.step([newest, newest], together).probabilities
    assert np.abs(old - stepped(backend, [*pixels(3), newest])[-1]).max() < 1e-6
    assert np.abs(new - stepped(backend, [newest])[-1]).max() < 1e-6


@pytest.mark.parametrize(("min_frames", "silent"), [(1, 0), (3, 2), (WINDOW, WINDOW - 1), (100, WINDOW - 1)])
def test_predictions_start_at_min_frames_and_never_later_than_a_full_window(bundle, min_frames, silent):
    stream = Recognizer.open(bundle).stream(min_frames=min_frames)
    period = stream.spec.period_ns
    found = []
    for index, image in enumerate(pixels()):
        found.append(stream.push(Frame(image, index * period)))
        assert stream.status.phase == ("warming" if index < silent else "provisional" if index < 3 else "running")
    assert [prediction is None for prediction in found] == [True] * silent + [False] * (FRAMES - silent)
    assert [item.provisional for item in found if item] == [True] * (WINDOW - 1 - silent) + [False] * (
        FRAMES - WINDOW + 1
    )


@pytest.mark.parametrize("size", ["s", "l"])
def test_the_state_is_less_than_half_of_that_with_lookahead(size, tmp_path):
    def state_bytes(lookahead):
        path = export_bundle(CoX3D(x3d_config(size, lookahead)), tmp_path / f"{lookahead}.onnx", source="a test")
        inputs = [value for value in onnx.load(path).graph.input if value.name.startswith("state.")]
        return 4 * sum(np.prod([axis.dim_value for axis in value.type.tensor_type.shape.dim[1:]]) for value in inputs)

    assert state_bytes("none") <= 0.45 * state_bytes("full")


@pytest.mark.parametrize("changes", [{"lookahead": "some"}, {"architecture": "x3d"}, {"warm_up": 7}])
def test_a_spec_that_contradicts_itself_is_refused(changes):
    values = {**x3d_config("xs", "none").continual_spec(3).to_dict(), **changes}
    with pytest.raises(ModelError, match="lookahead"):
        ModelSpec.from_dict(values)
