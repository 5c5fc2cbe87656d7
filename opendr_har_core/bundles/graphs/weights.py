"""Weights of a network as arrays for a graph, with folded normalisation and padded channels."""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
from torch import nn

Array = np.ndarray

# ONNX Runtime's fast convolutions work on blocks of 8 or 16 channels; padding 54 or 108 with zeros is exact and cheap.
SMALL_BLOCK, LARGE_BLOCK = 8, 16


def folded(conv: nn.Conv3d, norm: nn.BatchNorm3d) -> Tuple[Array, Array]:
    """Weights (out, in/groups, kt, k, k) and bias (out,) of a convolution with the normalisation behind it."""
    scale = to_numpy(norm.weight) / np.sqrt(to_numpy(norm.running_var) + norm.eps)
    weight = to_numpy(conv.weight) * scale[:, None, None, None, None]
    return weight.astype(np.float32), (to_numpy(norm.bias) - to_numpy(norm.running_mean) * scale).astype(np.float32)


def pointwise(conv: nn.Conv3d) -> Tuple[Array, Array]:
    """Weights (out, in, 1, 1) and bias (out,) of a 1x1x1 convolution with a bias."""
    return to_numpy(conv.weight)[:, :, 0], to_numpy(conv.bias)


def aligned(channels: int, block: int = SMALL_BLOCK) -> int:
    """`channels` rounded up to whole blocks."""
    return -(-channels // block) * block


def filled(values: Array, outputs: Optional[int] = None, inputs: Optional[int] = None) -> Array:
    """An array (out, in, ...) or (out,), padded with zeros to `outputs` and `inputs` channels."""
    padding = [(0, 0)] * values.ndim
    if outputs is not None:
        padding[0] = (0, outputs - values.shape[0])
    if inputs is not None:
        padding[1] = (0, inputs - values.shape[1])
    return np.pad(values, padding)


def to_numpy(tensor: object) -> Array:
    """A parameter's values."""
    values: Array = tensor.detach().cpu().numpy()  # type: ignore[attr-defined]
    return values
