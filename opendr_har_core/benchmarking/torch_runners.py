"""The same evaluations in PyTorch."""

from __future__ import annotations

from typing import Optional

import numpy as np
import torch
from torch import Tensor

from opendr_har_core.benchmarking.runners import FRAMES_KEPT, Runner, random_images
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D


class TorchStreamRunner:
    """A CoX3D stepped as it is, `batch` streams at once."""

    def __init__(self, network: CoX3D, batch: int) -> None:
        self.spec, self.provider = network.spec, _provider()
        self._network = network
        images = random_images(self.spec, FRAMES_KEPT * batch)
        self._frames = images.reshape(FRAMES_KEPT, batch, *images.shape[1:])
        self._step = 0
        with torch.inference_mode():
            self._state = network.initial_state(batch)

    @torch.inference_mode()
    def run(self) -> object:
        """Step all streams."""
        self._step += 1
        frames = _standardised(self._frames[self._step % FRAMES_KEPT], self.spec.mean, self.spec.std)
        logits, self._state = self._network.step(frames.permute(0, 3, 1, 2), self._state)
        return logits.softmax(dim=1).numpy()


class TorchClipRunner:
    """An X3D over `batch` clips."""

    def __init__(self, network: X3D, batch: int) -> None:
        self.spec, self.provider = network.spec, _provider()
        self._network = network
        images = random_images(self.spec, batch * self.spec.window)
        self._clips = images.reshape(batch, self.spec.window, *images.shape[1:])

    @torch.inference_mode()
    def run(self) -> object:
        """Classify all clips."""
        clips = _standardised(self._clips, self.spec.mean, self.spec.std)
        logits: Tensor = self._network(clips.permute(0, 4, 1, 2, 3))
        return logits.softmax(dim=1).numpy()


class OpenNetwork:
    """A network on the processor that gives runners for any batch."""

    def __init__(self, network: X3D, threads: Optional[int] = None) -> None:
        """`threads` are set for all of PyTorch, which knows no other way."""
        if threads is not None:
            torch.set_num_threads(threads)
        self._network = network.eval()

    def runner(self, batch: int = 1) -> Runner:
        """Evaluations of `batch` streams or clips."""
        if isinstance(self._network, CoX3D):
            return TorchStreamRunner(self._network, batch)
        return TorchClipRunner(self._network, batch)


def _standardised(images: np.ndarray, mean: tuple, std: tuple) -> Tensor:
    pixels = torch.from_numpy(images).to(torch.float32)
    return (pixels / 255 - torch.tensor(mean)) / torch.tensor(std)


def _provider() -> str:
    return f"torch {torch.__version__} cpu"
