"""Networks on PyTorch: for training machines and for checking exports."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from opendr_har_core.backends.protocol import Array, Row, finite
from opendr_har_core.backends.session import default_threads, usable_cores
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.cox3d import CoX3D, CoX3DState
from opendr_har_core.networks.x3d import X3D, standardized


@contextmanager
def few_threads() -> Iterator[None]:
    """Limit torch to as many threads as ONNX Runtime takes by default; for steps, whose operators are small.

    After each operator the threads wait for the slowest, which other work may keep from its core. The number is that of
    the whole process, so it is restored afterwards.
    """
    threads, limit = torch.get_num_threads(), default_threads(usable_cores())
    torch.set_num_threads(min(threads, limit))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class TorchState:
    """A CoX3D's tensors, (rows, ...)."""

    rows: int
    tensors: CoX3DState


class TorchBackend:
    """An X3D or CoX3D behind the same interface as a bundle; the network is switched to evaluation mode."""

    fallback_reason = ""

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
            logits: Tensor = self._network(self._input(clips))
            return _probabilities(logits)

    def state(self, rows: Sequence[Row[TorchState]]) -> TorchState:
        """CoX3D: a new state made of copies of rows of others; zeros for None."""
        fresh = self._continual().initial_state(1)
        parts = [fresh if row is None else _row(row[0].tensors, row[1]) for row in rows]
        return TorchState(len(rows), _joined(parts))

    def step(self, frames: Sequence[Array], state: TorchState) -> Array:
        """CoX3D: one uint8 (S, S, 3) frame for each row -> float32 (rows, num_classes); advances the state."""
        network = self._continual()
        with torch.inference_mode(), few_threads():
            frame = self._input(np.stack(frames))
            logits, tensors = network.step(frame, state.tensors)
            probabilities = _probabilities(logits)
            state.tensors = tensors
            return probabilities

    def _continual(self) -> CoX3D:
        if not isinstance(self._network, CoX3D):
            raise ConfigError(f"{self.spec.name} classifies clips and can't step; use classify, or a CoX3D")
        return self._network

    def _input(self, images: Array) -> Tensor:
        """uint8 (B, ..., S, S, 3) images -> standardized (B, 3, ..., S, S)."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
        return standardized(pixels.movedim(-1, 1), self.spec)


def _probabilities(logits: Tensor) -> Array:
    return finite(logits.softmax(dim=1).cpu().numpy())


def _row(state: CoX3DState, row: int) -> CoX3DState:
    return _each(lambda tensors: tensors[0][row : row + 1], [state])


def _joined(states: Sequence[CoX3DState]) -> CoX3DState:
    return _each(torch.cat, states)


def _each(combine: Callable[[List[Tensor]], Tensor], states: Sequence[CoX3DState]) -> CoX3DState:
    """The state whose every tensor is made of those of `states`."""
    return CoX3DState(
        age=combine([state.age for state in states]),
        stem=combine([state.stem for state in states]),
        past=tuple(combine(list(tensors)) for tensors in zip(*(state.past for state in states))),
        skipped=tuple(combine(list(tensors)) for tensors in zip(*(state.skipped for state in states))),
        features=combine([state.features for state in states]),
    )
