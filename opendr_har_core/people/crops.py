"""Crops: a square around each person that follows slowly, so that its own motion does not look like an action."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional, Tuple

import cv2
import numpy as np

SCALE = 1.3
FOLLOW_SEC = 0.5
SLACK = 0.1
ASIDE = 0.05  # what is seen beside the box towards a neighbour, in its heights


@dataclass(frozen=True)
class Square:
    """A square part of an image, in pixels; may reach beyond the image."""

    x: float
    y: float
    side: float

    @classmethod
    def around(cls, box: np.ndarray, scale: float = SCALE) -> Square:
        """The square of `scale` times the longer side of a box, around its centre."""
        left, top, right, bottom = (float(value) for value in box)
        return cls((left + right) / 2, (top + bottom) / 2, scale * max(right - left, bottom - top))

    def followed(
        self, target: Square, elapsed_sec: float, slack: float = SLACK, follow_sec: float = FOLLOW_SEC
    ) -> Square:
        """This square after it has followed `target` for `elapsed_sec` seconds."""
        share = 1 - math.exp(-elapsed_sec / follow_sec)
        free = slack * self.side
        return Square(
            self.x + share * _beyond(target.x - self.x, free),
            self.y + share * _beyond(target.y - self.y, free),
            self.side + share * _beyond(target.side - self.side, free),
        )


def own_columns(
    square: Square, box: np.ndarray, others: np.ndarray, width: int, aside: float = ASIDE
) -> Tuple[int, int]:
    """First column that shows the person in `box`, and the one after the last, in an image of `width` columns.

    All of them, but towards boxes of `others` (n, 4) that reach into the square only those close to the person's own:
    neighbours may do something else.
    """
    low, high = np.array([square.x, square.y]) - square.side / 2, np.array([square.x, square.y]) + square.side / 2
    near = others[((others[:, :2] < high) & (others[:, 2:] > low)).all(axis=1)]
    is_left = near[:, 0] + near[:, 2] < box[0] + box[2]
    beside = aside * (box[3] - box[1])
    first = min(max(int(box[0] - beside), 0), width - 1) if is_left.any() else 0
    last = max(min(math.ceil(box[2] + beside), width), first + 1) if not is_left.all() else width
    return first, last


def _beyond(off: float, free: float) -> float:
    return math.copysign(max(0.0, abs(off) - free), off)


def cut(rgb: np.ndarray, square: Square, columns: Optional[Tuple[int, int]] = None) -> np.ndarray:
    """The pixels of a square, uint8 (side, side, 3).

    A view if it lies inside of the image, or of its `columns` from the first to before the last; else what is beyond
    replicates their border.
    """
    height, width = rgb.shape[:2]
    first, last = columns or (0, width)
    side = max(2, round(square.side))
    left, top = round(square.x - side / 2), round(square.y - side / 2)
    # At least one row and column of the image, to replicate.
    x0, x1 = min(max(left, first), last - 1), max(min(left + side, last), first + 1)
    y0, y1 = min(max(top, 0), height - 1), max(min(top + side, height), 1)
    part = rgb[y0:y1, x0:x1]
    if part.shape[:2] == (side, side):
        return part
    before_y, before_x = min(max(0, y0 - top), side - part.shape[0]), min(max(0, x0 - left), side - part.shape[1])
    padded: np.ndarray = cv2.copyMakeBorder(
        part, before_y, side - before_y - part.shape[0], before_x, side - before_x - part.shape[1], cv2.BORDER_REPLICATE
    )
    return padded
