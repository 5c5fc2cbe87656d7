"""What all participants share: the same weights and the same frames, written to a temporary folder."""

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

# Ours: a portable bundle and one that is tuned for this machine; of CoX3D, also without lookahead.
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
        task: what a worker's setup takes: paths, sizes, threads.
        ours: the same with each of our bundles, by the name of the participant; none tuned where nothing can be tuned.
        warm_up: calls until results mean something and times are steady.
        weights: "real" or "random".
        pytorchvideo_agrees: whether PyTorchVideo has the same weights, so that its results can be compared.
    """

    task: Dict[str, Any]
    ours: Dict[str, Dict[str, Any]]
    warm_up: int
    weights: str
    pytorchvideo_agrees: bool


class Workshop:
    """Makes materials in a folder, once each."""

    def __init__(self, folder: Path, shared: Path, threads: Optional[int], cores: int) -> None:
        """`shared` holds the real weights and clips; without it random ones are used, which take the same time."""
        self._folder = folder
        self._shared = shared
        self._threads = threads
        self._cores = cores
        self._made: Dict[str, Material] = {}

    def material(self, network: str, size: str) -> Material:
        """The material of "x3d" or "cox3d" in "xs", "s", "m" or "l"."""
        name = f"{network}_{size}"
        if name not in self._made:
            self._made[name] = self._make(network, size)
        return self._made[name]

    def _make(self, network: str, size: str) -> Material:
        config = x3d_config(size)
        ours = (X3D if network == "x3d" else CoX3D)(config)
        real = self._shared / "weights" / REAL
        is_real = size != "l" and real.is_file()
        weights = real if is_real else self._random_weights(ours, size)
        load_weights(ours, weights)
        task = {
            "network": network,
            "size": size,
            "window": ours.spec.window,
            "bundle": str(export_bundle(ours, self._folder / f"{network}_{size}.onnx", source=weights.name)),
            "weights": str(weights),
            "pytorchvideo_weights": str(self._shared / "weights" / REAL_PYTORCHVIDEO) if is_real else None,
            "frames": str(self._frames(size, config.image_size)),
            "threads": self._threads or self._cores,
        }
        tasks = {OURS: task}
        if network == "cox3d":
            tasks[CAUSAL] = {**task, "bundle": str(self._without_lookahead(size, weights))}
            tasks.update(tuned_tasks(tasks))
        warm_up = ours.spec.warm_up + MORE_STEPS if network == "cox3d" else 1
        return Material(task, tasks, warm_up, "real" if is_real else "random", is_real)

    def _without_lookahead(self, size: str, weights: Path) -> Path:
        network = CoX3D(x3d_config(size, NONE))
        load_weights(network, weights)
        return export_bundle(network, self._folder / f"cox3d_{size}_none.onnx", source=weights.name)

    def _random_weights(self, network: X3D, size: str) -> Path:
        path = self._folder / f"random_{size}.pyth"
        if not path.is_file():
            torch.save({"model_state": random_weights(network)}, path)
        return path

    def _frames(self, size: str, side: int) -> Path:
        """A clip of the golden outputs in its size where there is one, else noise; (T, side, side, 3) uint8."""
        path = self._folder / f"frames_{size}.npy"
        golden = self._shared / "golden" / f"x3d_{size}_archery.npz"
        if golden.is_file():
            frames = np.load(golden)["frames"]
        else:
            frames = np.random.default_rng(1).integers(0, 256, (FRAMES, side, side, 3), dtype=np.uint8)
        np.save(path, frames)
        return path


def tuned_tasks(tasks: Dict[str, Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """The same tasks with their bundles tuned."""
    tuned = {}
    for name, task in tasks.items():
        bundle = Path(task["bundle"])
        try:
            path = tune_bundle(bundle, bundle.with_suffix(".tuned.onnx")).path
        except ModelError as error:  # a machine whose runtime has no layout of its own
            sys.stderr.write(f"{error}\n")
            return {}
        tuned[f"{name}, tuned"] = {**task, "bundle": str(path)}
    return tuned


def random_weights(network: X3D) -> Dict[str, torch.Tensor]:
    """Weights that keep activations in a sane range, so that results can be compared."""
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
    return weights
