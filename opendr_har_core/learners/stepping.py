"""The network of a CoX3DLearner, whose stateful methods continue the stream of the learner's `infer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple, Type

import torch
from torch import Tensor

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.protocol import finite
from opendr_har_core.backends.torch import few_threads
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.layers import TemporalConv
from opendr_har_core.networks.x3d import standardized


@dataclass
class History:
    """Frames since the last reset.

    Attributes:
        backend: the graph that the state belongs to; None for PyTorch.
        state: of that backend, or a CoX3DState.
        shape: (rows, side) of every frame.
        steps: number of frames.
    """

    backend: Optional[OnnxBackend]
    state: Any
    shape: Tuple[int, int]
    steps: int = 0


class SharedHistory:
    """Reference to a history that a learner and its network share; None before the first frame."""

    def __init__(self) -> None:
        self.current: Optional[History] = None

    def __reduce__(self) -> Tuple[Type[SharedHistory], Tuple[()]]:
        """Copies of a network, as made for training in several processes, start without a history."""
        return SharedHistory, ()


class SteppingCoX3D(CoX3D):
    """A CoX3D with OpenDR's stateful methods `forward_step` and `forward_steps`."""

    def __init__(self, config: X3DConfig, num_classes: int, window: Optional[int], shared: SharedHistory) -> None:
        super().__init__(config, num_classes, window)
        self._shared = shared

    @property
    def receptive_field(self) -> int:
        """Number of frames that a result depends on."""
        taps = [layer.taps for layer in self.modules() if isinstance(layer, TemporalConv)]
        return self.window + sum(taps) - len(taps)

    def clean_state(self) -> None:
        """Forget all frames, like the learner's `reset`."""
        self._shared.current = None

    def clean_model_state(self) -> None:
        """Name of `clean_state` in OpenDR's first versions."""
        self.clean_state()

    def forward_step(self, frames: Tensor) -> Optional[Tensor]:
        """Frames (B, 3, S, S), uint8 or standardised -> logits (B, num_classes); None during warm-up."""
        frames = standardized(frames.to(self.head.projection.weight.device), self.spec)
        history = self._shared.current
        shape = (len(frames), frames.shape[-1])
        if history is None or history.backend is not None or history.shape != shape:
            history = new_history(self, shape)
        logits = step(self, frames, history)
        self._shared.current = history
        return logits if history.steps > self.spec.silent_frames else None

    def forward_steps(self, clips: Tensor) -> Optional[Tensor]:
        """Clips (B, 3, T, S, S), frame by frame -> logits (B, num_classes, results), or None."""
        found = [logits for logits in map(self.forward_step, clips.unbind(2)) if logits is not None]
        return torch.stack(found, dim=2) if found else None


def new_history(network: CoX3D, shape: Tuple[int, int]) -> History:
    """The history before the first frame, in PyTorch; `shape` is (rows, side) of the frames."""
    with torch.inference_mode():
        return History(None, network.initial_state(*shape), shape)


def step(network: CoX3D, frames: Tensor, history: History) -> Tensor:
    """Standardised frames (B, 3, S, S) -> logits (B, num_classes) on the CPU; advances the history.

    Raises BackendError, and leaves the history unchanged, if a logit is not finite.
    """
    if network.training:
        network.eval()
    with torch.inference_mode(), few_threads():
        logits, state = network.step(frames, history.state)
        found = logits.float().cpu()
    finite(found.numpy())
    history.state, history.steps = state, history.steps + 1
    return found
