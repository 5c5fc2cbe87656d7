"""What goes into a stream: one RGB image and the time it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Tuple

import numpy as np

from opendr_har_core.errors import ImageError

Array = np.ndarray


@dataclass(frozen=True)
class Frame:
    """One camera image.

    Attributes:
        rgb: uint8 array of shape (height, width, 3), in RGB order; it may be a view, and is only read.
        stamp_ns: time of capture in nanoseconds, on any clock that the frames of one stream share.
    """

    rgb: Array
    stamp_ns: int

    def __post_init__(self) -> None:
        check_rgb(self.rgb)

    @property
    def size(self) -> Tuple[int, int]:
        """(height, width) in pixels."""
        return self.rgb.shape[0], self.rgb.shape[1]


class LazyFrame:
    """A frame whose pixels are decoded only when a stream samples it.

    A 30 Hz camera feeds a 5 Hz model: five of six frames are never looked at, so they need not be converted.
    """

    def __init__(self, stamp_ns: int, size: Tuple[int, int], decode: Callable[[], Array]) -> None:
        """`decode` returns the uint8 (height, width, 3) RGB image of `size`; its errors reach the caller of push."""
        self.stamp_ns = stamp_ns
        self.size = size
        self._decode = decode
        self._rgb: Optional[Array] = None

    @property
    def rgb(self) -> Array:
        """The decoded uint8 (height, width, 3) RGB image."""
        if self._rgb is None:
            rgb = self._decode()
            check_rgb(rgb)
            self._rgb = rgb
        return self._rgb


def check_rgb(rgb: Array) -> None:
    """Raise ImageError unless `rgb` is a non-empty uint8 array of shape (height, width, 3)."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        given = getattr(rgb, "dtype", type(rgb).__name__)
        raise ImageError(f"a frame must be a uint8 NumPy array, got {given}; convert it with .astype(numpy.uint8)")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ImageError(f"a frame must have shape (height, width, 3) with no side zero, got {rgb.shape}")
