"""Shapes of the X3D family (Feichtenhofer, CVPR 2020, arXiv 2004.04730, table 1 and section 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Optional, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import CLIP, CONTINUAL, FULL, LOOKAHEADS, NONE, ModelSpec

STEM_KERNEL = 5
BLOCK_KERNEL = 3


@dataclass(frozen=True)
class X3DConfig:
    """Shape of one variant; widths are numbers of channels.

    Attributes:
        size: name of the variant.
        image_size: side of the square input, in pixels.
        frames, stride: length of a clip, and the step between its frames at `train_fps` Hz.
        stem_width: channels after the stem.
        stage_widths, stage_depths: output channels and number of blocks of each stage.
        bottleneck: factor from a block's width to the width of its depthwise convolution.
        head_width: channels of the last hidden layer.
        squeeze_ratio: factor from a block's inner width to that of its squeeze-and-excitation.
        lookahead: "full", or "none" for a CoX3D whose temporal convolutions see zeros in place of future frames.
    """

    size: str
    image_size: int
    frames: int
    stride: int
    stage_depths: Tuple[int, ...] = (3, 5, 11, 7)
    stage_widths: Tuple[int, ...] = (24, 48, 96, 192)
    stem_width: int = 24
    bottleneck: float = 2.25
    head_width: int = 2048
    squeeze_ratio: float = 0.0625
    train_fps: float = 30.0
    lookahead: str = FULL

    def __post_init__(self) -> None:
        if self.lookahead not in LOOKAHEADS:
            raise ConfigError(f"lookahead is {self.lookahead!r}, expected one of {LOOKAHEADS}")

    def inner_width(self, width: int) -> int:
        """Channels inside a block of `width` output channels."""
        return int(self.bottleneck * width)

    def squeeze_width(self, inner_width: int) -> int:
        """Channels of the squeeze: `squeeze_ratio` of the inner width, rounded to a multiple of 8 of at least 90 %."""
        wanted = inner_width * self.squeeze_ratio
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * wanted else rounded

    @property
    def delay(self) -> int:
        """Steps by which a CoX3D's features trail its input: k-1-p for each temporal convolution with lookahead."""
        if self.lookahead == NONE:
            return 0
        return STEM_KERNEL // 2 + sum(self.stage_depths) * (BLOCK_KERNEL // 2)

    def clip_spec(self, num_classes: int) -> ModelSpec:
        """Spec of this X3D over clips."""
        return self._spec(CLIP, self.frames, self.frames - 1, num_classes)

    def continual_spec(self, num_classes: int, window: Optional[int] = None) -> ModelSpec:
        """Spec of this CoX3D over a stream; `window` defaults to the clip length."""
        window = self.frames if window is None else window
        if window < 1:
            raise ConfigError(f"the temporal window is {window}, expected one step or more")
        return self._spec(CONTINUAL, window, self.delay + window - 1, num_classes)

    def _spec(self, architecture: str, window: int, warm_up: int, num_classes: int) -> ModelSpec:
        return ModelSpec(
            architecture=architecture,
            size=self.size,
            image_size=self.image_size,
            window=window,
            stride=self.stride,
            warm_up=warm_up,
            num_classes=num_classes,
            train_fps=self.train_fps,
            lookahead=self.lookahead,
        )


X3D_CONFIGS: Dict[str, X3DConfig] = {
    "xs": X3DConfig("xs", image_size=160, frames=4, stride=12),
    "s": X3DConfig("s", image_size=160, frames=13, stride=6),
    "m": X3DConfig("m", image_size=224, frames=16, stride=5),
    "l": X3DConfig("l", image_size=312, frames=16, stride=5, stage_depths=(5, 10, 25, 15)),
}


def x3d_config(size: str, lookahead: str = FULL) -> X3DConfig:
    """The published variant `size`; raises ConfigError for another name or lookahead."""
    if size not in X3D_CONFIGS:
        raise ConfigError(f"no X3D has the size {size!r}, expected one of {sorted(X3D_CONFIGS)}")
    return replace(X3D_CONFIGS[size], lookahead=lookahead)
