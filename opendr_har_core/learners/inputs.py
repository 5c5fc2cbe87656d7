"""Input of `infer` as a batch of pixels or of standardised floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple, Type, Union

import numpy as np
import torch
from torch import Tensor

from opendr_har_core.errors import DataError
from opendr_har_core.learners.types import Image, Video
from opendr_har_core.networks.x3d import standardized
from opendr_har_core.spec import ModelSpec
from opendr_har_core.streaming.preprocess import to_network_input

Array = np.ndarray
# Floats this close to whole pixel values, in grey levels, are taken as standardised pixels.
CLOSE = 0.05
# Standardised pixels are in about -2..2.5 for any usual statistics, floats in 0..255 far beyond. The bound between them
# leaves room for augmentation and noise. Floats in 0..1 can't be distinguished from standardised ones.
FURTHEST = 10.0


@dataclass(frozen=True)
class Batch:
    """A batch for a network, in one of two forms.

    Attributes:
        pixels: uint8 (B, ..., S, S, 3), cropped and resized for the network; None for floats.
        floats: float32 (B, 3, ..., H, W), standardised; None for pixels.
    """

    pixels: Any
    floats: Optional[Tensor]

    def standardized(self, spec: ModelSpec, device: Any) -> Tensor:
        """float32 (B, 3, ..., H, W) for a network on `device`."""
        if self.floats is not None:
            return self.floats.to(device)
        return standardized(torch.from_numpy(self.pixels).to(device).movedim(-1, 1), spec)

    @property
    def rows_and_side(self) -> Tuple[int, int]:
        """Number of images, and their side; raises DataError for floats that are not square."""
        if self.floats is None:
            return self.pixels.shape[0], self.pixels.shape[1]
        size = tuple(self.floats.shape)
        if size[-1] != size[-2]:
            raise DataError(f"standardised frames must be square, got {size}")
        return size[0], size[-1]

    def whole_pixels(self, spec: ModelSpec) -> Optional[Array]:
        """uint8 (B, ..., S, S, 3), converted back from standardised pixels; None for other floats."""
        return self.pixels if self.floats is None else _as_pixels(self.floats, spec)


def read_batch(given: Any, kind: Union[Type[Image], Type[Video]], spec: ModelSpec) -> Batch:
    """One item or a batch of `kind`, as the OpenDR class, a list of them, a tensor or an array.

    uint8 items (3, ..., H, W) can have any height and width; floats are unchanged. Raises DataError for another type,
    shape or dtype, for floats that can't be standardised pixels, and for an empty batch.
    """
    axes = 3 if kind is Image else 4
    rows = [_tensor(row, kind) for row in _rows(given, kind, axes)]
    for row in rows:
        if row.ndim != axes or row.shape[0] != 3 or 0 in row.shape:
            what = "an image is (3, height, width)" if kind is Image else "a video is (3, frames, height, width)"
            raise DataError(f"{what}, got {tuple(row.shape)}; a batch has one more axis in front")
    kinds = {row.dtype if row.dtype == torch.uint8 else torch.float32 for row in rows}
    if not rows or len(kinds) > 1:
        raise DataError(f"a batch needs items of one dtype, got {sorted(map(str, kinds)) or 'none'}")
    if kinds == {torch.uint8}:
        return Batch(np.stack([_preprocessed(row, spec.image_size) for row in rows]), None)
    if len({tuple(row.shape) for row in rows}) > 1:
        raise DataError(f"standardised floats can't be resized: their shapes differ, {[tuple(r.shape) for r in rows]}")
    floats = torch.stack([row.to(torch.float32) for row in rows])
    _check_range(floats, spec)
    return Batch(None, floats)


def _check_range(floats: Tensor, spec: ModelSpec) -> None:
    """Raise DataError for floats that can't be standardised pixels; NaN would stay in a stream's state."""
    low, high = (float(bound) for bound in torch.aminmax(floats))
    if low >= -FURTHEST and high <= FURTHEST:  # False for NaN
        return
    mean, std = spec.mean[0], spec.std[0]
    found = f"values from {low:.4g} to {high:.4g}" if low <= high else "NaN"
    raise DataError(
        f"the floats have {found}, standardised pixels (x / 255 - {mean:g}) / {std:g} are in "
        f"{-mean / std:.2f}..{(1 - mean) / std:.2f}; give pixels as uint8 (an Image without dtype), or standardise them"
    )


def _rows(given: Any, kind: Union[Type[Image], Type[Video]], axes: int) -> List[Any]:
    if isinstance(given, kind):
        return [given]
    if isinstance(given, (list, tuple)):
        return list(given)
    if isinstance(given, (Tensor, np.ndarray)):
        tensor = _tensor(given, kind)
        return list(tensor) if tensor.ndim == axes + 1 else [tensor]
    raise DataError(
        f"infer takes one {kind.__name__}, a list of them, a tensor or an array, got {type(given).__name__}"
    )


def _tensor(row: Any, kind: Union[Type[Image], Type[Video]]) -> Tensor:
    data = row.data if isinstance(row, kind) else row
    if isinstance(data, np.ndarray) and (data.dtype == np.uint8 or data.dtype.kind == "f"):
        # PyTorch has neither the longer floats of NumPy nor those of another byte order.
        data = torch.from_numpy(np.ascontiguousarray(data, np.uint8 if data.dtype == np.uint8 else np.float32))
    if not isinstance(data, Tensor) or not (data.dtype == torch.uint8 or data.is_floating_point()):
        given = getattr(data, "dtype", type(data).__name__)
        raise DataError(f"infer takes uint8 pixels or standardised floats, got {given}; convert them with .to()")
    if data.layout != torch.strided or data.is_nested or data.is_meta:
        raise DataError(f"infer takes dense tensors that hold data, got {data.layout} on {data.device}")
    return data.detach()


def _preprocessed(row: Tensor, image_size: int) -> Array:
    """uint8 (3, ..., H, W) -> (..., S, S, 3)."""
    pixels = row.cpu().movedim(0, -1).numpy()
    if pixels.ndim == 3:
        return to_network_input(pixels, image_size)
    return np.stack([to_network_input(frame, image_size) for frame in pixels])


def _as_pixels(floats: Tensor, spec: ModelSpec) -> Optional[Array]:
    """The pixels (B, ..., S, S, 3) of standardised `floats`, or None if they are other floats."""
    if set(floats.shape[-2:]) != {spec.image_size}:
        return None
    last = floats.cpu().movedim(1, -1)
    levels = (last * torch.tensor(spec.std) + torch.tensor(spec.mean)) * 255
    whole = levels.round()
    if (levels - whole).abs().max() > CLOSE or whole.min() < 0 or whole.max() > 255:
        return None
    return whole.to(torch.uint8).contiguous().numpy()
