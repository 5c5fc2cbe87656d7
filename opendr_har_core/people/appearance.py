"""Appearance: histograms of the colours of the upper and the lower body, which tell people who cross apart."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

# The part of a box that is most likely body: without head, feet, and what is left and right of the trunk.
TOP, BOTTOM, ASIDE = 0.12, 0.95, 0.25
COLUMNS, ROWS = 16, 32  # pixels that are looked at
HALVES, CHANNELS, LEVELS = 2, 3, 32
_OFFSETS = LEVELS * (np.arange(CHANNELS) + CHANNELS * (np.arange(ROWS) * HALVES // ROWS)[:, None, None])

UNKNOWN = np.full(HALVES * CHANNELS * LEVELS, np.nan, np.float32)


def appearance(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Colours of the person in a box of a uint8 (H, W, 3) image: float32 of length 1, to be compared by `unlikeness`.

    Lightness and the two axes of colour (CIELAB) have histograms of their own; one is a vector of square roots of
    shares, so that a product of two is their Bhattacharyya coefficient. The box may reach beyond the image.
    """
    height, width = rgb.shape[:2]
    left, top, right, bottom = (float(side) for side in box)
    aside, tall = ASIDE * (right - left), bottom - top
    x, to_x = _within(left + aside, right - aside, width)
    y, to_y = _within(top + TOP * tall, top + BOTTOM * tall, height)
    pixels = cv2.resize(rgb[y:to_y, x:to_x], (COLUMNS, ROWS), interpolation=cv2.INTER_NEAREST)
    levels = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB) // (256 // LEVELS) + _OFFSETS
    counts = np.bincount(levels.reshape(-1), minlength=HALVES * CHANNELS * LEVELS)
    roots: np.ndarray = np.sqrt(counts / (CHANNELS * ROWS * COLUMNS), dtype=np.float32)
    return roots


def unlikeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each of `first` (n, d) to each of `second` (m, d): float (n, m), 0 for the same colours, 1 for quite others,
    NaN for unknown ones."""
    different: np.ndarray = 1 - first @ second.T
    return different


def _within(low: float, high: float, size: int) -> Tuple[int, int]:
    """At least one whole pixel from `low` to `high`, inside of 0 to `size`."""
    start = min(max(int(low), 0), size - 1)
    return start, min(max(int(high), start + 1), size)
