"""Golden parity: our networks give the original code's outputs, in PyTorch and in ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.networks.config import x3d_config

WITH_TORCH = find_spec("torch") is not None
if WITH_TORCH:
    import torch

    from opendr_har_core.backends.torch import TorchBackend
    from opendr_har_core.bundles.export import export_bundle
    from opendr_har_core.networks.checkpoints import load_weights
    from opendr_har_core.networks.cox3d import CoX3D
    from opendr_har_core.networks.x3d import X3D

needs_torch = pytest.mark.skipif(not WITH_TORCH, reason="needs PyTorch")

CLIPS = ("archery", "arm_wrestling")
SCHEMES = ("slowfast.pyth", "pytorchvideo.pyth", "mmaction2.pth")
TO_ORIGINAL, TORCH_TO_ONNX = 1e-3, 1e-4


def softmax(logits):
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def stepped(backend, frames):
    """Probabilities of every step, (T, classes)."""
    state = backend.state([None])
    return np.stack([backend.step([frame], state).probabilities[0] for frame in frames])


def test_x3d_probabilities_equal_the_originals(shared, real_bundle, runtime, size):
    backend = runtime(real_bundle("x3d", size), lambda: X3D(x3d_config(size)))
    for clip in CLIPS:
        golden = np.load(shared / "golden" / f"x3d_{size}_{clip}.npz")
        ours = backend.classify(golden["frames"][None]).probabilities[0]
        assert np.abs(ours - golden["probabilities"]).max() <= TO_ORIGINAL, clip


@pytest.mark.parametrize(
    "window", [pytest.param(4, marks=pytest.mark.slow), 13, pytest.param(64, marks=pytest.mark.slow)]
)
def test_cox3d_stepped_equals_the_originals(shared, real_bundle, runtime, window):
    backend = runtime(real_bundle("cox3d", "s", window), lambda: CoX3D(x3d_config("s"), window=window))
    for clip in CLIPS:
        golden = np.load(shared / "golden" / f"cox3d_s_{clip}.npz")
        first = int(golden[f"first_output_window{window}"])
        assert backend.spec.warm_up == first
        ours = stepped(backend, golden["frames"])[first:]
        theirs = softmax(golden[f"logits_window{window}"])
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= TO_ORIGINAL, clip


@needs_torch
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_checkpoint_scheme_gives_the_golden_probabilities(shared, tmp_path, scheme):
    network = X3D(x3d_config("xs"))
    load_weights(network, shared / "weights" / f"x3d_xs_k400_{scheme}")
    bundle = OnnxBackend(export_bundle(network, tmp_path / "x3d_xs.onnx", source=scheme))
    for clip in CLIPS:
        golden = np.load(shared / "golden" / f"x3d_xs_{clip}.npz")
        for backend in (TorchBackend(network), bundle):
            ours = backend.classify(golden["frames"][None]).probabilities[0]
            assert np.abs(ours - golden["probabilities"]).max() <= TO_ORIGINAL


@needs_torch
@pytest.mark.slow
def test_torch_and_onnx_agree_on_real_steps(shared, real_bundle):
    network = CoX3D(x3d_config("s"), window=4)
    load_weights(network, shared / "weights" / "x3d_xs_k400_slowfast.pyth")
    frames = np.load(shared / "golden" / "cox3d_s_archery.npz")["frames"][:60]
    in_torch = stepped(TorchBackend(network), frames)
    in_onnx = stepped(OnnxBackend(real_bundle("cox3d", "s", 4)), frames)
    assert np.abs(in_torch - in_onnx)[network.spec.warm_up :].max() <= TORCH_TO_ONNX


@needs_torch
@pytest.mark.slow
def test_x3d_l_logits_equal_the_originals_with_random_weights(shared, tmp_path):
    golden = np.load(shared / "golden" / "l_random_weights.npz")
    network = with_random_weights(X3D(x3d_config("l")))
    clip = np.random.default_rng(1).integers(0, 256, (1, 16, 312, 312, 3), dtype=np.uint8)
    expected = softmax(golden["x3d_logits"])
    bundle = OnnxBackend(export_bundle(network, tmp_path / "x3d_l.onnx", source="random"))
    for backend in (TorchBackend(network), bundle):
        assert np.abs(backend.classify(clip).probabilities[0] - expected).max() <= TO_ORIGINAL


@needs_torch
@pytest.mark.slow
def test_cox3d_l_equals_the_originals_with_random_weights(shared, tmp_path):
    golden = np.load(shared / "golden" / "l_random_weights.npz")
    config = replace(x3d_config("l"), image_size=96)
    network = with_random_weights(CoX3D(config, window=4))
    frames = np.random.default_rng(2).integers(0, 256, (80, 96, 96, 3), dtype=np.uint8)
    first = int(golden["cox3d_first_output"])
    expected = softmax(golden["cox3d_logits_window4"])
    bundle = OnnxBackend(export_bundle(network, tmp_path / "cox3d_l.onnx", source="random"))
    for backend in (TorchBackend(network), bundle):
        assert backend.spec.warm_up == first == 60
        assert np.abs(stepped(backend, frames)[first:] - expected).max() <= TO_ORIGINAL


def with_random_weights(network):
    """The weights that the golden outputs of the L variant were made with; the order of keys matters."""
    rng, weights = np.random.default_rng(0), {}
    for key, tensor in sorted(network.state_dict().items()):
        shape = tuple(tensor.shape)
        if key.endswith("num_batches_tracked"):
            values = np.zeros(shape)
        elif key.endswith("running_mean") or key.endswith("bias"):
            values = 0.1 * rng.standard_normal(shape)
        elif key.endswith("running_var"):
            values = 0.5 + rng.random(shape)
        elif len(shape) >= 2:
            values = np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
        else:
            values = 1 + 0.1 * rng.standard_normal(shape)
        weights[key] = torch.from_numpy(np.asarray(values, np.float32)).to(tensor.dtype)
    for key, tensor in weights.items():
        if key.endswith("c_bn.weight"):
            tensor.mul_(0.2)
    network.load_state_dict(weights)
    return network


@pytest.fixture(params=["xs", "s", "m"])
def size(request):
    return request.param


@pytest.fixture(params=[pytest.param("torch", marks=needs_torch), "onnx"])
def runtime(request, shared):
    """(bundle, make_network) -> a backend on one of the two runtimes, with the real weights."""

    def open_backend(bundle, make_network):
        if request.param == "onnx":
            return OnnxBackend(bundle)
        network = make_network()
        load_weights(network, shared / "weights" / "x3d_xs_k400_slowfast.pyth")
        return TorchBackend(network)

    return open_backend
