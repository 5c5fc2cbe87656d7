"""The weights, bundles and frames that all participants share, in a temporary folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
import torch

from opendr_har_core.backends.tuning import tune_bundle
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.errors import ModelError
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import NONE

# Ours: a portable bundle and one that is tuned for this machine; for CoX3D, also without lookahead.
OURS, TUNED = "ours", "ours, tuned"
CAUSAL, CAUSAL_TUNED = "ours, no lookahead", "ours, no lookahead, tuned"
REAL = "x3d_xs_k400_slowfast.pyth"  # fits XS, S and M
REAL_PYTORCHVIDEO = "x3d_xs_k400_pytorchvideo.pyth"
FRAMES = 16
MORE_STEPS = 8


@dataclass(frozen=True)
class Material:
    """One network in one size, ready for every participant.

    Attributes:
        task: arguments of a worker's setup: paths, sizes, threads.
        ours: the same with each of our bundles, by the name of the participant; no tuned ones where tuning fails.
        warm_up: calls until the results are valid and the times are steady.
        weights: "real" or "random".
    """

    task: Dict[str, Any]
    ours: Dict[str, Dict[str, Any]]
    warm_up: int
    weights: str


def make_material(figure: str, folder: Path, shared: Path, threads: int) -> Material:
    """Material for "cox3d-s" and the like; without the real weights in `shared` it has random ones, as fast."""
    network, size = figure.split("-")
    config = x3d_config(size)
    ours = (X3D if network == "x3d" else CoX3D)(config)
    real = shared / "weights" / REAL
    is_real = size != "l" and real.is_file()
    weights = real if is_real else _random_weights(ours, folder / f"random_{size}.pyth")
    load_weights(ours, weights)
    task: Dict[str, Any] = {
        "network": network,
        "size": size,
        "window": ours.spec.window,
        "bundle": str(export_bundle(ours, folder / f"{figure}.onnx", source=weights.name)),
        "weights": str(weights),
        "pytorchvideo_weights": str(shared / "weights" / REAL_PYTORCHVIDEO) if is_real else None,
        "frames": str(_frames(folder / f"frames_{size}.npy", shared, size, config.image_size)),
        "threads": threads,
    }
    if network == "x3d":
        return Material(task, {OURS: task}, 1, "real" if is_real else "random")
    causal = CoX3D(x3d_config(size, NONE))
    load_weights(causal, weights)
    bundles = {
        OURS: Path(task["bundle"]),
        CAUSAL: export_bundle(causal, folder / f"{figure}_none.onnx", source=weights.name),
    }
    tuned = {f"{name}, tuned": _tuned(path) for name, path in bundles.items()}
    every = {name: {**task, "bundle": str(path)} for name, path in {**bundles, **tuned}.items() if path}
    return Material(task, every, ours.spec.warm_up + MORE_STEPS, "real" if is_real else "random")


def _tuned(bundle: Path) -> Optional[Path]:
    try:
        return tune_bundle(bundle, bundle.with_suffix(".tuned.onnx")).path
    except ModelError as error:  # the runtime has no layout of its own on this machine
        sys.stderr.write(f"{error}\n")
        return None


def _frames(path: Path, shared: Path, size: str, side: int) -> Path:
    """uint8 (T, side, side, 3): a golden clip of this size, or noise."""
    golden = shared / "golden" / f"x3d_{size}_archery.npz"
    if golden.is_file():
        frames = np.load(golden)["frames"]
    else:
        frames = np.random.default_rng(1).integers(0, 256, (FRAMES, side, side, 3), dtype=np.uint8)
    np.save(path, frames)
    return path


def _random_weights(network: X3D, path: Path) -> Path:
    """Weights that keep activations in a normal range, so that results can be compared."""
    generator, weights = torch.Generator().manual_seed(0), {}
    for key, tensor in sorted(network.state_dict().items()):
        noise = torch.randn(tensor.shape, generator=generator)
        if key.endswith("num_batches_tracked"):
            weights[key] = torch.zeros_like(tensor)
        elif key.endswith(("running_mean", "bias")):
            weights[key] = 0.1 * noise
        elif key.endswith("running_var"):
            weights[key] = 0.5 + torch.rand(tensor.shape, generator=generator)
        elif tensor.ndim >= 2:
            weights[key] = (2 / tensor[0].numel()) ** 0.5 * noise
        else:
            weights[key] = (1 + 0.1 * noise) * (0.2 if key.endswith("c_bn.weight") else 1)
    torch.save({"model_state": weights}, path)
    return path
