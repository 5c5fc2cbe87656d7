"""The network of a CoX3DLearner, with OpenDR's stateful methods."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import torch
from torch import Tensor

from opendr_har_core.backends.protocol import finite
from opendr_har_core.backends.torch import few_threads
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.layers import TemporalConv
from opendr_har_core.networks.x3d import standardized


class SteppingCoX3D(CoX3D):
    """A CoX3D that keeps the state of its streams, which the learner's `infer` continues.

    Attributes:
        steps: number of frames since the last reset.
        shape: (rows, side) of these frames; None without any.
    """

    def __init__(self, config: X3DConfig, num_classes: int, window: Optional[int]) -> None:
        super().__init__(config, num_classes, window)
        self.clean_state()

    @property
    def receptive_field(self) -> int:
        """Number of frames that a result depends on."""
        taps = [layer.taps for layer in self.modules() if isinstance(layer, TemporalConv)]
        return self.window + sum(taps) - len(taps)

    def clean_state(self) -> None:
        """Forget all frames, like the learner's `reset`."""
        self.steps = 0
        self._state: Any = None
        self.shape: Optional[Tuple[int, int]] = None

    def clean_model_state(self) -> None:
        """Name of `clean_state` in OpenDR's first versions."""
        self.clean_state()

    def forward_step(self, frames: Tensor) -> Optional[Tensor]:
        """Frames (B, 3, S, S), uint8 or standardised -> logits (B, num_classes) on the CPU; None during warm-up.

        Frames of another shape start new streams. Raises BackendError, and leaves the streams unchanged, if a logit is
        not finite.
        """
        frames = standardized(frames.to(self.head.projection.weight.device), self.spec)
        if self.training:
            self.eval()
        with torch.inference_mode(), few_threads():
            shape = (len(frames), frames.shape[-1])
            is_new = self.shape != shape
            state = self.initial_state(*shape) if is_new else self._state
            logits, state = self.step(frames, state)
            found = logits.float().cpu()
        finite(found.numpy())
        self._state, self.shape, self.steps = state, shape, 1 if is_new else self.steps + 1
        return found if self.steps > self.spec.silent_frames else None

    def forward_steps(self, clips: Tensor) -> Optional[Tensor]:
        """Clips (B, 3, T, S, S), frame by frame -> logits (B, num_classes, results), or None."""
        found = [logits for logits in map(self.forward_step, clips.unbind(2)) if logits is not None]
        return torch.stack(found, dim=2) if found else None
