"""Rotates and mirrors decoded video frames upright.

Phones store frames as the sensor sees them, with a display matrix that says how to rotate or mirror them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Tuple

import cv2
import numpy as np


@dataclass(frozen=True)
class Orientation:
    """Transformation of stored frames to upright ones.

    Attributes:
        swapped: whether rows and columns are swapped, before anything is mirrored.
        mirrored_x, mirrored_y: whether left and right, and top and bottom, are swapped.
    """

    swapped: bool
    mirrored_x: bool
    mirrored_y: bool

    @classmethod
    def of(cls, picture: Any) -> Orientation:
        """The orientation of a PyAV frame, to the nearest quarter turn."""
        a, b, c, d = _display_matrix(picture)
        if abs(b) > abs(a):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def upright(self, picture: Any) -> np.ndarray:
        """A PyAV frame as players show it: uint8 (height, width, 3) RGB, C-contiguous."""
        rgb = picture.to_ndarray(format="rgb24")
        if self.swapped:
            rgb = cv2.transpose(rgb)
        if self.mirrored_x or self.mirrored_y:
            rgb = cv2.flip(rgb, -1 if self.mirrored_x and self.mirrored_y else int(self.mirrored_x))
        return np.ascontiguousarray(rgb)

    def size(self, picture: Any) -> Tuple[int, int]:
        """(height, width) of `upright(picture)`."""
        return (picture.width, picture.height) if self.swapped else (picture.height, picture.width)


def _display_matrix(picture: Any) -> Tuple[float, float, float, float]:
    """(a, b, c, d): column x and row y of a stored pixel are shown at (a x + c y, b x + d y), plus an offset."""
    # Access to side data creates a reference cycle, so use a small copy of the frame.
    small = picture.reformat(width=16, height=16, format="rgb24")
    try:
        content = small.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV 14 to 18 fail on side data of unknown type, such as Exif data or the view of a stereo video.
        # They know the angle, but not whether the picture is mirrored.
        angle = math.radians(getattr(picture, "rotation", 0))
        return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    if content is None:
        return 1, 0, 0, 1
    # 3 x 3 numbers of 32 bits in native byte order; the third column is perspective, the third row the offset.
    a, b, _, c, d = np.frombuffer(content, np.int32, 5).tolist()
    return a, b, c, d
