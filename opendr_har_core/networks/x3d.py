"""X3D, which classifies clips (Feichtenhofer, CVPR 2020, arXiv 2004.04730)."""

from __future__ import annotations

from typing import Iterator, Tuple

import torch
from torch import Tensor, nn

from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.layers import Head, ResidualBlock, Stem
from opendr_har_core.spec import ModelSpec

FIRST_STAGE = 2  # the stem counts as stage one in the published key names


class X3D(nn.Module):
    """The clip network; its `state_dict` has the key names of the published SlowFast weights."""

    def __init__(self, config: X3DConfig, num_classes: int = 400) -> None:
        """Random weights; `checkpoints.load_weights` loads published ones."""
        super().__init__()
        if num_classes < 1:
            raise ConfigError(f"num_classes is {num_classes}, expected one or more")
        self.config = config
        self.s1 = nn.ModuleDict({"pathway0_stem": Stem(config.stem_width, config.lookahead)})
        widths = (config.stem_width, *config.stage_widths)
        for index, depth in enumerate(config.stage_depths):
            self.add_module(f"s{FIRST_STAGE + index}", _stage(config, widths[index], widths[index + 1], depth))
        last = widths[-1]
        self.head = Head(last, config.inner_width(last), config.head_width, num_classes)

    @property
    def stem(self) -> Stem:
        """The first layers."""
        stem = self.s1["pathway0_stem"]
        if not isinstance(stem, Stem):
            raise TypeError(f"the stem of an X3D is a {type(stem).__name__}")
        return stem

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return self.head.projection.out_features

    @property
    def spec(self) -> ModelSpec:
        """Spec of this network."""
        return self.config.clip_spec(self.num_classes)

    def blocks(self) -> Iterator[Tuple[str, ResidualBlock]]:
        """Residual blocks with their key names, in order of computation."""
        for name, module in self.named_modules():
            if isinstance(module, ResidualBlock):
                yield name, module

    def forward(self, clip: Tensor) -> Tensor:
        """Standardised float clips (B, 3, T, S, S) -> logits (B, num_classes)."""
        return self.head.classify(self.features(clip))

    def features(self, clip: Tensor) -> Tensor:
        """Standardised float clips (B, 3, T, S, S) -> what the classifier takes, (B, C)."""
        x = self.stem(in_fast_layout(clip))
        for _, block in self.blocks():
            x = block(x)
        return self.head.averaged(x)


def standardized(pixels: Tensor, spec: ModelSpec) -> Tensor:
    """uint8 (B, 3, ..., H, W) pixels -> float32 network input; floats are returned as they are.

    The one standardization in PyTorch; in a bundle, it is part of the graph.
    """
    if pixels.dtype != torch.uint8:
        return pixels
    shape = (1, 3, *[1] * (pixels.dim() - 2))
    mean = torch.tensor(spec.mean, device=pixels.device).reshape(shape)
    std = torch.tensor(spec.std, device=pixels.device).reshape(shape)
    return (pixels.float() / 255 - mean) / std


def in_fast_layout(x: Tensor) -> Tensor:
    """The same values (B, C, T, H, W) with channels last on a CPU, where training then is 1.5 to 2 times as fast."""
    return x.contiguous(memory_format=torch.channels_last_3d) if x.device.type == "cpu" else x


def _stage(config: X3DConfig, in_width: int, width: int, depth: int) -> nn.ModuleDict:
    """Blocks of a stage: the first halves the image, every other one has attention."""
    inner = config.inner_width(width)
    blocks = {}
    for index in range(depth):
        squeeze = config.squeeze_width(inner) if index % 2 == 0 else None
        stride = 2 if index == 0 else 1
        blocks[f"pathway0_res{index}"] = ResidualBlock(in_width, inner, width, stride, squeeze, config.lookahead)
        in_width = width
    return nn.ModuleDict(blocks)
