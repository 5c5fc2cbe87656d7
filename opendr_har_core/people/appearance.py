"""Appearance: histograms of the colours of the upper and the lower body, which tell people who cross apart."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

# The part of a box that is most likely body: without head, feet, and what is left and right of the trunk.
TOP, BOTTOM, ASIDE = 0.12, 0.95, 0.25
COLUMNS, ROWS = 16, 32  # pixels that are looked at
HALVES, CHANNELS, LEVELS = 2, 3, 32
BINS = HALVES * CHANNELS * LEVELS
_OFFSETS = LEVELS * (np.arange(CHANNELS) + CHANNELS * (np.arange(ROWS) * HALVES // ROWS)[:, None, None])

UNKNOWN = np.full(BINS, np.nan, np.float32)


def appearances(rgb: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Colours of the people in boxes (n, 4) of a uint8 (H, W, 3) image: float32 (n, d), compared by `unlikeness`.

    Lightness and the two axes of colour (CIELAB) have histograms of their own. A row holds the square roots of
    their shares: its length is 1, and a product of two is their Bhattacharyya coefficient. Boxes may reach beyond the
    image.
    """
    if not len(boxes):
        return np.empty((0, BINS), np.float32)
    pixels = np.concatenate([_body(rgb, *box) for box in boxes.tolist()])
    levels = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).reshape(-1, ROWS, COLUMNS, CHANNELS) // (256 // LEVELS) + _OFFSETS
    levels += BINS * np.arange(len(boxes))[:, None, None, None]
    counts = np.bincount(levels.reshape(-1), minlength=BINS * len(boxes)).reshape(-1, BINS)
    roots: np.ndarray = np.sqrt(counts / (CHANNELS * ROWS * COLUMNS), dtype=np.float32)
    return roots


def unlikeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each of `first` (n, d) to each of `second` (m, d): float (n, m), 0 for the same colours, 1 for quite others,
    NaN for unknown ones."""
    different: np.ndarray = 1 - first @ second.T
    return different


def _body(rgb: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The trunk of a person, uint8 (ROWS, COLUMNS, 3)."""
    height, width = rgb.shape[:2]
    aside, tall = ASIDE * (right - left), bottom - top
    x, to_x = _within(left + aside, right - aside, width)
    y, to_y = _within(top + TOP * tall, top + BOTTOM * tall, height)
    pixels: np.ndarray = cv2.resize(rgb[y:to_y, x:to_x], (COLUMNS, ROWS), interpolation=cv2.INTER_NEAREST)
    return pixels


def _within(low: float, high: float, size: int) -> Tuple[int, int]:
    """At least one whole pixel from `low` to `high`, inside of 0 to `size`."""
    start = min(max(int(low), 0), size - 1)
    return start, min(max(int(high), start + 1), size)
