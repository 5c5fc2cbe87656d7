"""Decoded video frames as upright pictures.

A phone stores what its sensor saw, and beside it, as a display matrix, how the picture is to be turned or mirrored.
"""

from __future__ import annotations

import math
from typing import Any, Tuple

import cv2
import numpy as np

# (a, b, c, d) of a frame that is shown as it is stored.
IDENTITY = (1, 0, 0, 1)


def upright(picture: Any) -> np.ndarray:
    """A frame of PyAV's as uint8 (height, width, 3) RGB, C-contiguous, the way players show it."""
    rgb = picture.to_ndarray(format="rgb24")
    a, b, c, d = _matrix(picture)
    if _is_lying(a, b):
        rgb, a, d = cv2.transpose(rgb), c, b
    if a < 0 or d < 0:
        rgb = cv2.flip(rgb, -1 if a < 0 and d < 0 else int(a < 0))
    return np.ascontiguousarray(rgb)


def upright_size(picture: Any) -> Tuple[int, int]:
    """(height, width) of `upright(picture)`."""
    a, b, _, _ = _matrix(picture)
    return (picture.width, picture.height) if _is_lying(a, b) else (picture.height, picture.width)


def _is_lying(a: float, b: float) -> bool:
    """Whether rows become columns; of a tilt, the nearest quarter turn counts."""
    return abs(b) > abs(a)


def _matrix(picture: Any) -> Tuple[float, float, float, float]:
    """(a, b, c, d): column x and row y of a stored pixel are shown at (a x + c y, b x + d y), plus an offset."""
    try:
        content = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV 14 to 18 fail where a frame has side data that they have no name for, such as the Exif data of a JPEG or
        # the number of a stereo video's view. They know the angle, though not whether the picture is mirrored.
        angle = math.radians(getattr(picture, "rotation", 0))
        return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    if content is None:
        return IDENTITY
    # 3 x 3 numbers of 32 bits in the machine's byte order; the third column is perspective, the third row the offset.
    a, b, _, c, d = np.frombuffer(content, np.int32, 5).tolist()
    return a, b, c, d
