"""The network of a CoX3DLearner, with the stateful methods of OpenDR's networks."""

from __future__ import annotations

from typing import Optional, Tuple

import torch
from torch import Tensor

from opendr_har_core.backends.protocol import finite
from opendr_har_core.backends.torch import few_threads
from opendr_har_core.learners.history import History, Memory
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.layers import TemporalConv
from opendr_har_core.networks.x3d import standardized


class SteppingCoX3D(CoX3D):
    """A CoX3D whose methods `forward_step` and `forward_steps` continue the stream that its learner's `infer` does."""

    def __init__(self, config: X3DConfig, num_classes: int, window: Optional[int], memory: Memory) -> None:
        super().__init__(config, num_classes, window)
        self._memory = memory

    @property
    def receptive_field(self) -> int:
        """Number of frames that a result depends on."""
        taps = [layer.taps for layer in self.modules() if isinstance(layer, TemporalConv)]
        return self.window + sum(taps) - len(taps)

    def clean_state(self) -> None:
        """Forget all frames, as the learner's `reset` does."""
        self._memory.history = None

    def clean_model_state(self) -> None:
        """The name of `clean_state` in OpenDR's first versions."""
        self.clean_state()

    def forward_step(self, frames: Tensor) -> Optional[Tensor]:
        """Frames (B, 3, S, S), uint8 or standardised -> logits (B, num_classes); None during warm-up."""
        frames = standardized(frames.to(self.head.projection.weight.device), self.spec)
        history = self._memory.history
        shape = (len(frames), frames.shape[-1])
        if history is None or history.backend is not None or history.shape != shape:
            history = begun(self, shape)
        logits = step(self, frames, history)
        self._memory.history = history
        return logits if history.steps > self.spec.silent_frames else None

    def forward_steps(self, clips: Tensor) -> Optional[Tensor]:
        """Clips (B, 3, T, S, S), frame by frame -> logits (B, num_classes, results), or None."""
        found = [logits for logits in map(self.forward_step, clips.unbind(2)) if logits is not None]
        return torch.stack(found, dim=2) if found else None


def begun(network: CoX3D, shape: Tuple[int, int]) -> History:
    """The history before the first frame; `shape` is the number of rows and the side of frames."""
    with torch.inference_mode():
        return History(None, network.initial_state(*shape), shape)


def step(network: CoX3D, frames: Tensor, history: History) -> Tensor:
    """Standardised frames (B, 3, S, S) -> logits (B, num_classes) on the CPU; advances the history.

    Raises BackendError, and leaves the history as it was, where a logit is not finite.
    """
    if network.training:
        network.eval()
    with torch.inference_mode(), few_threads():
        logits, state = network.step(frames, history.state)
        found = logits.float().cpu()
    finite(found.numpy())
    history.state, history.steps = state, history.steps + 1
    return found
