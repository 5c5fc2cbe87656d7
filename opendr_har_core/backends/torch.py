"""Backend for networks on PyTorch, for training machines and for checking exports."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from opendr_har_core.backends.protocol import Array, Outputs, Row, check_finite
from opendr_har_core.backends.session import default_threads, usable_cores
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.cox3d import CoX3D, CoX3DState
from opendr_har_core.networks.x3d import X3D, standardized


@contextmanager
def few_threads() -> Iterator[None]:
    """Limit PyTorch to the threads that ONNX Runtime uses by default, for steps, whose operators are small.

    After each operator, threads wait for the slowest, which may share its core with other work. The limit holds for the
    whole process and is restored afterwards.
    """
    threads, limit = torch.get_num_threads(), default_threads(usable_cores())
    torch.set_num_threads(min(threads, limit))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class TorchState:
    """Network state of a CoX3D, (rows, ...)."""

    rows: int
    tensors: CoX3DState


class TorchBackend:
    """An X3D or CoX3D with the interface of a bundle."""

    fallback_reason = weights_sha256 = ""

    def __init__(self, network: X3D, labels: Optional[Sequence[str]] = None, source: str = "torch") -> None:
        """Switch `network` to evaluation mode. For `labels` see `LabelMap.numbered`; raises LabelError."""
        self.spec = network.spec
        self.labels = LabelMap.numbered(self.spec.num_classes, labels)
        self.source = source
        self._network = network.eval()
        self.features = network.head.conv_5.out_channels
        self._device = network.head.projection.weight.device
        self.provider = f"torch {self._device}"

    def classify(self, clips: Array) -> Outputs:
        """See `Backend`."""
        with torch.inference_mode():
            return self._outputs(self._network.features(self._input(clips)))

    def state(self, rows: Sequence[Row[TorchState]]) -> TorchState:
        """See `Backend`."""
        fresh = self._continual().initial_state(1)
        parts = [fresh if row is None else _row(row[0].tensors, row[1]) for row in rows]
        return TorchState(len(rows), _each(torch.cat, parts))

    def step(self, frames: Sequence[Array], state: TorchState) -> Outputs:
        """See `Backend`."""
        network = self._continual()
        with torch.inference_mode(), few_threads():
            frame = self._input(np.stack(frames))
            features, tensors = network.step_features(frame, state.tensors)
            outputs = self._outputs(features)
            state.tensors = tensors
            return outputs

    def _outputs(self, features: Tensor) -> Outputs:
        probabilities = self._network.head.classify(features).softmax(dim=1)
        outputs = Outputs(probabilities.cpu().numpy(), features.cpu().numpy())
        check_finite(*outputs)
        return outputs

    def _continual(self) -> CoX3D:
        if not isinstance(self._network, CoX3D):
            raise ConfigError(f"{self.spec.name} classifies clips and can't step; use classify, or a CoX3D")
        return self._network

    def _input(self, images: Array) -> Tensor:
        """uint8 (B, ..., S, S, 3) images -> standardized (B, 3, ..., S, S)."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
        return standardized(pixels.movedim(-1, 1), self.spec)


def _row(state: CoX3DState, row: int) -> CoX3DState:
    return _each(lambda tensors: tensors[0][row : row + 1], [state])


def _each(combine: Callable[[List[Tensor]], Tensor], states: Sequence[CoX3DState]) -> CoX3DState:
    """Combine the tensors of several states, one by one."""

    def joined(values: Sequence[Any]) -> Any:
        return tuple(map(joined, zip(*values))) if isinstance(values[0], tuple) else combine(list(values))

    return CoX3DState(*map(joined, zip(*states)))
