"""Frames: RGB images with a stamp, the input of a stream."""

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
        rgb: uint8 array of shape (height, width, 3), in RGB order; may be a view, and is only read.
        stamp_ns: time of capture in nanoseconds, on a clock that all frames of a stream share.
    """

    rgb: Array
    stamp_ns: int

    def __post_init__(self) -> None:
        check_rgb(self.rgb)

    @property
    def size(self) -> Tuple[int, int]:
        """(height, width) in pixels."""
        return self.rgb.shape[0], self.rgb.shape[1]

    def at(self, stamp_ns: int) -> Frame:
        """The frame with another stamp."""
        return Frame(self.rgb, stamp_ns)


class LazyFrame:
    """A frame that is decoded only if a stream samples it: a 5 Hz model skips five of six frames of a 30 Hz camera."""

    def __init__(self, stamp_ns: int, size: Tuple[int, int], decode: Callable[[], Array]) -> None:
        """`decode` returns the uint8 RGB image of `size` (height, width); `Stream.push` raises its errors."""
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

    def at(self, stamp_ns: int) -> LazyFrame:
        """The frame with another stamp, which decodes this one when first looked at."""
        return LazyFrame(stamp_ns, self.size, lambda: self.rgb)


def check_rgb(rgb: Array) -> None:
    """Raise ImageError unless `rgb` is a non-empty uint8 array of shape (height, width, 3)."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        given = getattr(rgb, "dtype", type(rgb).__name__)
        raise ImageError(f"a frame must be a uint8 NumPy array, got {given}; convert it with .astype(numpy.uint8)")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ImageError(f"a frame must have shape (height, width, 3) with no side zero, got {rgb.shape}")
