"""Building blocks of X3D, each with a pass over a clip and a step over one frame of a stream.

Tensors are (B, C, T, H, W) in clips and (B, C, H, W) in steps. Attribute names are the key names of the published
SlowFast weights.
"""

from __future__ import annotations

from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opendr_har_core.networks.config import BLOCK_KERNEL, STEM_KERNEL
from opendr_har_core.spec import FULL, NONE

BN_EPS = 1e-5


def pointwise(in_width: int, out_width: int, stride: int = 1, bias: bool = False) -> nn.Conv3d:
    """A 1x1x1 convolution with a spatial stride."""
    return nn.Conv3d(in_width, out_width, 1, stride=(1, stride, stride), bias=bias)


def on_frame(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer that does not mix time to one frame (B, C, H, W)."""
    y: Tensor = layer(x.unsqueeze(2)).squeeze(2)
    return y


class TemporalConv(nn.Conv3d):
    """A depthwise convolution over time and space, zero-padded at the edges.

    Without lookahead, the taps on future frames are unused; the weights fit both forms.

    Attributes:
        taps: number of frames that contribute to an output.
    """

    def __init__(self, width: int, kernel: Tuple[int, int], stride: int = 1, lookahead: str = FULL) -> None:
        """`kernel` is the size in (time, space), `stride` is in space."""
        time, space = kernel
        size, padding = (time, space, space), (time // 2, space // 2, space // 2)
        super().__init__(width, width, size, (1, stride, stride), padding, groups=width, bias=False)
        self.taps = time if lookahead == FULL else time // 2 + 1

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, H/stride, W/stride)."""
        if self.taps == self.kernel_size[0]:
            return super().forward(x)
        return self._over(F.pad(x, (0, 0, 0, 0, self.taps - 1, 0)))

    def step(self, past: Tensor, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(output, inputs to keep); with lookahead, the output belongs to the frame (k-1)/2 steps before `x`.

        `past` holds the previous inputs, (B, C, taps - 1, H, W), zeros before the first frame.
        """
        window = torch.cat([past, x.unsqueeze(2)], dim=2)
        return self._over(window).squeeze(2), window[:, :, 1:]

    def _over(self, padded: Tensor) -> Tensor:
        """Convolve frames with temporal padding."""
        weight = self.weight[:, :, : self.taps]
        return F.conv3d(padded, weight, None, self.stride, (0, *self.padding[1:]), groups=self.groups)


class Stem(nn.Module):
    """A 1x3x3 convolution that halves the image, then a depthwise convolution over time."""

    def __init__(self, width: int, lookahead: str = FULL) -> None:
        super().__init__()
        self.conv_xy = nn.Conv3d(3, width, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False)
        self.conv = TemporalConv(width, (STEM_KERNEL, 1), lookahead=lookahead)
        self.bn = nn.BatchNorm3d(width, eps=BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, T, S, S) -> (B, C, T, S/2, S/2)."""
        return F.relu(self.bn(self.conv(self.conv_xy(x))))

    def step(self, x: Tensor, past: Tensor) -> Tuple[Tensor, Tensor]:
        """Step one frame; `past` is (B, C, taps - 1, S/2, S/2)."""
        y, past = self.conv.step(past, on_frame(self.conv_xy, x))
        return F.relu(on_frame(self.bn, y)), past


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al., CVPR 2018), pooled over the clip or, without lookahead, over each frame."""

    def __init__(self, width: int, squeeze: int, lookahead: str = FULL) -> None:
        super().__init__()
        self._pooled = (3, 4) if lookahead == NONE else (2, 3, 4)
        self.fc1 = pointwise(width, squeeze, bias=True)
        self.fc2 = pointwise(squeeze, width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same shape."""
        pooled = x.mean(dim=self._pooled, keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(pooled))))


class Bottleneck(nn.Module):
    """Expand, convolve depthwise over space and time, attend, project."""

    def __init__(
        self, in_width: int, inner: int, out_width: int, stride: int, squeeze: Optional[int], lookahead: str = FULL
    ) -> None:
        super().__init__()
        self.a = pointwise(in_width, inner)
        self.a_bn = nn.BatchNorm3d(inner, eps=BN_EPS)
        self.b = TemporalConv(inner, (BLOCK_KERNEL, BLOCK_KERNEL), stride, lookahead)
        self.b_bn = nn.BatchNorm3d(inner, eps=BN_EPS)
        if squeeze is not None:
            self.se = SqueezeExcitation(inner, squeeze, lookahead)
        self.c = pointwise(inner, out_width)
        self.c_bn = nn.BatchNorm3d(out_width, eps=BN_EPS)

    @property
    def has_attention(self) -> bool:
        """Whether squeeze-and-excitation follows the depthwise convolution."""
        return hasattr(self, "se")

    def expand(self, x: Tensor) -> Tensor:
        """The part before the temporal convolution."""
        return F.relu(self.a_bn(self.a(x)))

    def project(self, y: Tensor) -> Tensor:
        """The part after the temporal convolution."""
        y = self.b_bn(y)
        if self.has_attention:
            y = self.se(y)
        projected: Tensor = self.c_bn(self.c(F.silu(y)))
        return projected

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, T, H, W) -> (B, Cout, T, H/stride, W/stride)."""
        return self.project(self.b(self.expand(x)))

    def step(self, x: Tensor, past: Tensor, valid: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """Step one frame; where `valid` (B, 1, 1, 1) is 0, the input counts as temporal padding."""
        inner = self.expand(x.unsqueeze(2)).squeeze(2)
        y, past = self.b.step(past, inner if valid is None else inner * valid)
        return self.project(y.unsqueeze(2)).squeeze(2), past


class ResidualBlock(nn.Module):
    """A bottleneck next to a shortcut, which is projected where the shape changes."""

    def __init__(
        self, in_width: int, inner: int, out_width: int, stride: int, squeeze: Optional[int], lookahead: str = FULL
    ) -> None:
        super().__init__()
        if in_width != out_width or stride != 1:
            self.branch1 = pointwise(in_width, out_width, stride)
            self.branch1_bn = nn.BatchNorm3d(out_width, eps=BN_EPS)
        self.branch2 = Bottleneck(in_width, inner, out_width, stride, squeeze, lookahead)
        self.stride = stride

    @property
    def has_projection(self) -> bool:
        """Whether the shortcut is a convolution rather than the identity."""
        return hasattr(self, "branch1")

    def shortcut(self, x: Tensor) -> Tensor:
        """(B, Cin, T, H, W) -> (B, Cout, T, H/stride, W/stride)."""
        if not self.has_projection:
            return x
        projected: Tensor = self.branch1_bn(self.branch1(x))
        return projected

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, T, H, W) -> (B, Cout, T, H/stride, W/stride)."""
        return F.relu(self.shortcut(x) + self.branch2(x))

    def step(self, x: Tensor, past: Tensor) -> Tuple[Tensor, Tensor]:
        """Step one frame without lookahead: (output for `x`, inputs to keep)."""
        y, past = self.branch2.step(x, past)
        return F.relu(self.shortcut(x.unsqueeze(2)).squeeze(2) + y), past

    def step_behind(self, x: Tensor, past: Tensor, skipped: Tensor, valid: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Step one frame with lookahead; the output belongs to the previous frame, whose shortcut is `skipped`."""
        y, past = self.branch2.step(x, past, valid)
        return F.relu(skipped + y), past, self.shortcut(x.unsqueeze(2)).squeeze(2)


class Head(nn.Module):
    """Widen, average over space and time, classify.

    Attributes:
        window: number of last frames of a clip to average; None for all.
    """

    def __init__(self, in_width: int, inner: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.window: Optional[int] = None
        self.conv_5 = pointwise(in_width, inner)
        self.conv_5_bn = nn.BatchNorm3d(inner, eps=BN_EPS)
        self.lin_5 = pointwise(inner, hidden)
        self.dropout = nn.Dropout(0.5)
        self.projection = nn.Linear(hidden, num_classes)

    def pooled(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> features (B, T, C), averaged over space."""
        return F.relu(self.conv_5_bn(self.conv_5(x))).mean(dim=(3, 4)).transpose(1, 2)

    def averaged(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> features (B, C), averaged over space and time."""
        features = self.pooled(x)
        return (features if self.window is None else features[:, -self.window :]).mean(dim=1)

    def classify(self, mean: Tensor) -> Tensor:
        """Features (B, C), averaged over time -> logits (B, num_classes)."""
        hidden = F.relu(self.lin_5(mean[:, :, None, None, None])).flatten(1)
        logits: Tensor = self.projection(self.dropout(hidden))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> logits (B, num_classes)."""
        return self.classify(self.averaged(x))
