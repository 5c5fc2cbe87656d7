"""Networks on PyTorch: for training machines and for checking exports."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from opendr_har_core.backends.base import Array, State
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.cox3d import CoX3D, CoX3DState
from opendr_har_core.networks.x3d import X3D


class TorchBackend:
    """An X3D or CoX3D behind the same interface as a bundle; the network is switched to evaluation mode."""

    def __init__(self, network: X3D, labels: Optional[Sequence[str]] = None, source: str = "torch") -> None:
        """`labels` default to Kinetics-400 for 400 classes; raises LabelError where their number differs."""
        self.spec = network.spec
        self.labels = LabelMap.numbered(self.spec.num_classes, labels)
        self.source = source
        self._network = network.eval()
        self._device = network.head.projection.weight.device
        self.provider = f"torch {self._device}"

    def classify(self, clips: Array) -> Array:
        """X3D: uint8 (B, T, S, S, 3) RGB clips -> float32 (B, num_classes) probabilities."""
        with torch.inference_mode():
            logits: Tensor = self._network(self._standardise(clips).permute(0, 4, 1, 2, 3))
            return _probabilities(logits)

    def initial_state(self, batch: int) -> State:
        """CoX3D: the network's zeros, as a flat tuple of arrays."""
        return _flatten(self._continual().initial_state(batch))

    def step(self, frames: Array, state: State) -> Tuple[Array, State]:
        """CoX3D: uint8 (B, S, S, 3) frames and a state -> float32 (B, num_classes) probabilities, next state."""
        network = self._continual()
        with torch.inference_mode():
            frame = self._standardise(frames).permute(0, 3, 1, 2)
            logits, following = network.step(frame, _unflatten(state, self._device))
            return _probabilities(logits), _flatten(following)

    def _continual(self) -> CoX3D:
        if not isinstance(self._network, CoX3D):
            raise ConfigError(f"{self.spec.name} classifies clips and can't step; use classify, or a CoX3D")
        return self._network

    def _standardise(self, images: Array) -> Tensor:
        mean = torch.tensor(self.spec.mean, device=self._device)
        std = torch.tensor(self.spec.std, device=self._device)
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self._device, torch.float32)
        return (pixels / 255 - mean) / std


def _probabilities(logits: Tensor) -> Array:
    probabilities: Array = logits.softmax(dim=1).cpu().numpy()
    return probabilities


def _flatten(state: CoX3DState) -> State:
    tensors = (state.age, state.stem, *state.past, *state.skipped, state.features)
    return tuple(tensor.cpu().numpy() for tensor in tensors)


def _unflatten(state: State, device: torch.device) -> CoX3DState:
    tensors = [torch.from_numpy(array).to(device) for array in state]
    age, stem, *middle, features = tensors
    half = len(middle) // 2
    return CoX3DState(age, stem, tuple(middle[:half]), tuple(middle[half:]), features)
