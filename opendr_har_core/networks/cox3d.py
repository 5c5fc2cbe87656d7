"""CoX3D: X3D stepped frame by frame (Hedegaard and Iosifidis, ECCV 2022, arXiv 2106.00050).

Each temporal convolution keeps the inputs that it needs again, so that a step costs one frame's work. The weights are
those of an X3D.

With lookahead "full", as in the paper, every convolution waits for the future frames that it was trained with, so
predictions trail the newest frame by `config.delay` steps. With "none", zeros replace the future, as after the last
frame of a training clip, and predictions are about the newest frame.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from opendr_har_core.networks.config import BLOCK_KERNEL, STEM_KERNEL, X3DConfig
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import NONE, ModelSpec


class CoX3DState(NamedTuple):
    """State of a CoX3D; every tensor has a leading batch axis.

    Attributes:
        age: int64 (B,), number of frames so far.
        stem: inputs of the stem's temporal convolution, (B, C, 4 or without lookahead 2, S/2, S/2).
        past: for each block, the inputs of its temporal convolution, (B, C, 2 or without lookahead 1, H, W).
        skipped: for each block, the shortcut of the previous frame, (B, C, H, W); empty without lookahead.
        features: pooled features of the latest window-1 steps, (B, window-1, C).
    """

    age: Tensor
    stem: Tensor
    past: Tuple[Tensor, ...]
    skipped: Tuple[Tensor, ...]
    features: Tensor


class CoX3D(X3D):
    """The stepping network: `step` is a pure function of a frame and a state.

    `forward` classifies whole clips, for training. With lookahead, it equals X3D; without, it equals stepping over the
    clip.
    """

    def __init__(self, config: X3DConfig, num_classes: int = 400, window: Optional[int] = None) -> None:
        """`window` is the number of steps that the head averages; default: the clip length of `config`."""
        super().__init__(config, num_classes)
        self.window = config.continual_spec(num_classes, window).window
        if config.lookahead == NONE:
            self.head.window = self.window

    @property
    def spec(self) -> ModelSpec:
        """Spec of this network."""
        return self.config.continual_spec(self.num_classes, self.window)

    def initial_state(self, batch: int = 1, image_size: Optional[int] = None) -> CoX3DState:
        """State before the first frame: zeros on the network's device; `image_size` defaults to the spec's."""
        side = _halved(image_size or self.config.image_size)
        weight = self.head.projection.weight

        def zeros(*shape: int) -> Tensor:
            return weight.new_zeros((batch, *shape))

        past, skipped = [], []
        stem = zeros(self.config.stem_width, self.stem.conv.taps - 1, side, side)
        for _, block in self.blocks():
            convolution = block.branch2.b
            past.append(zeros(convolution.in_channels, convolution.taps - 1, side, side))
            side = _halved(side) if block.stride == 2 else side
            if self.config.delay:
                skipped.append(zeros(block.branch2.c.out_channels, side, side))
        features = zeros(self.window - 1, self.head.conv_5.out_channels)
        age = torch.zeros(batch, dtype=torch.int64, device=weight.device)
        return CoX3DState(age, stem, tuple(past), tuple(skipped), features)

    def step(self, frame: Tensor, state: CoX3DState) -> Tuple[Tensor, CoX3DState]:
        """Standardised float frames (B, 3, S, S) and a state -> logits (B, num_classes), next state.

        Logits are meaningful from step `spec.silent_frames` on (counted from zero). With lookahead, higher layers get
        their first real input later than lower ones; until then their input counts as temporal padding, as in a clip.
        Without, the average covers the steps so far, up to the window.
        """
        features, state = self.step_features(frame, state)
        return self.head.classify(features), state

    def step_features(self, frame: Tensor, state: CoX3DState) -> Tuple[Tensor, CoX3DState]:
        """As `step`, with what the classifier takes, (B, C), in place of logits."""
        x, stem = self.stem.step(frame, state.stem)
        x, past, skipped = self._step_blocks(x, state)
        newest = self.head.pooled(x.unsqueeze(2))
        features = torch.cat([state.features, newest], dim=1)
        steps = torch.full_like(state.age, self.window) if self.config.delay else (state.age + 1).clamp(max=self.window)
        mean = features.sum(dim=1) / steps[:, None]
        return mean, CoX3DState(state.age + 1, stem, tuple(past), tuple(skipped), features[:, 1:])

    def _step_blocks(self, x: Tensor, state: CoX3DState) -> Tuple[Tensor, List[Tensor], List[Tensor]]:
        """Output of the residual blocks, and their new states."""
        delay = STEM_KERNEL // 2
        past: List[Tensor] = []
        skipped: List[Tensor] = []
        for index, (_, block) in enumerate(self.blocks()):
            if not self.config.delay:
                x, kept = block.step(x, state.past[index])
            else:
                valid = (state.age >= delay).to(x.dtype)[:, None, None, None]
                x, kept, shortcut = block.step_behind(x, state.past[index], state.skipped[index], valid)
                skipped.append(shortcut)
                delay += BLOCK_KERNEL // 2
            past.append(kept)
        return x, past, skipped


def _halved(side: int) -> int:
    """Output side of a 3x3 convolution with stride 2 and padding 1."""
    return (side + 1) // 2
