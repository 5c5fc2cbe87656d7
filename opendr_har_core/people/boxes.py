"""Boxes as arrays: left, top, right, bottom in pixels."""

from __future__ import annotations

import numpy as np


def overlaps(first: np.ndarray, second: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """Intersection over union of each box of `first` (n, 4) with each of `second` (m, 4): float (n, m).

    All boxes are first enlarged by a margin on each side, a share of their own sides, float (n,) by box of `first`:
    fast motion between two images leaves small boxes without overlap (buffered IoU, arXiv 2211.14317).
    """
    a = _enlarged(first[:, None], margins[:, None])
    b = _enlarged(second[None], margins[:, None])
    shared = _shared(a, b)
    ratio: np.ndarray = shared / np.maximum(_area(a) + _area(b) - shared, 1e-9)
    return ratio


def inside(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Share of each box of `first` (n, 4) that lies in each of `second` (m, 4): float (n, m)."""
    a, b = first[:, None], second[None]
    share: np.ndarray = _shared(a, b) / np.maximum(_area(a), 1e-9)
    return share


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    return _product(np.maximum(high - low, 0))


def _enlarged(boxes: np.ndarray, margin: np.ndarray) -> np.ndarray:
    grown = (boxes[..., 2:] - boxes[..., :2]) * margin[..., None]
    return np.concatenate([boxes[..., :2] - grown, boxes[..., 2:] + grown], axis=-1)


def _area(boxes: np.ndarray) -> np.ndarray:
    return _product(boxes[..., 2:] - boxes[..., :2])


def _product(sides: np.ndarray) -> np.ndarray:
    area: np.ndarray = sides[..., 0] * sides[..., 1]
    return area
