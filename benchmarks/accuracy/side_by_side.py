"""Two gesture videos side by side as one camera would show them, cut into a steady square for each person."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Tuple

import cv2
import numpy as np
import onnxruntime as ort

from opendr_har_core import Frame

# NanoDet-g, as shared/README.md describes it.
SIDE, BINS, STRIDES = 416, 11, (8, 16, 32)
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
STD = np.array([57.375, 57.12, 58.395], np.float32)
PERSON, LEAST_SCORE = 0, 0.4
# A square of so many times the box's longer side, centred on the box.
SCALE = 1.3
LOOKED_AT = 12
# Pairs are of different persons: the 27 videos are sorted by action, person and trial.
APART = 13


class PersonDetector:
    """Boxes of people in a picture."""

    def __init__(self, path: Path) -> None:
        self._session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB -> float32 (N, 5): score, left, top, right, bottom in pixels; overlaps are not merged."""
        scale = SIDE / max(rgb.shape[:2])
        height, width = (round(side * scale) for side in rgb.shape[:2])
        canvas = np.zeros((SIDE, SIDE, 3), np.float32)
        canvas[:height, :width] = (cv2.resize(rgb[..., ::-1], (width, height)) - MEAN) / STD
        outputs = self._session.run(None, {self._session.get_inputs()[0].name: canvas.transpose(2, 0, 1)[None]})
        by_cells = {(output.shape[-2], output.shape[-1]): output[0] for output in outputs}
        found = []
        for stride in STRIDES:
            cells = (SIDE // stride) ** 2
            scores, logits = by_cells[cells, 80][:, PERSON], by_cells[cells, 4 * BINS].reshape(cells, 4, BINS)
            weights = np.exp(logits - logits.max(axis=2, keepdims=True))
            distances = (weights / weights.sum(axis=2, keepdims=True)) @ np.arange(BINS, dtype=np.float32) * stride
            row, column = np.divmod(np.arange(cells), SIDE // stride)
            x, y = (column + 0.5) * stride, (row + 0.5) * stride
            left, top, right, bottom = distances.T
            boxes = np.stack([scores, x - left, y - top, x + right, y + bottom], axis=1)
            found.append(boxes[scores >= LEAST_SCORE])
        boxes = np.concatenate(found)
        boxes[:, 1:] /= scale
        return boxes


def pairs(count: int) -> Iterator[Tuple[int, int]]:
    """Which videos stand next to each other: each is once on the left and once on the right."""
    return ((index, (index + APART) % count) for index in range(count))


def cut_out(detector: PersonDetector, left: List[Frame], right: List[Frame]) -> Tuple[List[Frame], List[Frame]]:
    """Join two videos of one size, look for the two people, and cut a steady square out of all frames for each.

    The shorter video starts again until the longer one ends.
    """
    frames = [
        Frame(np.hstack([left[index % len(left)].rgb, right[index % len(right)].rgb]), frame.stamp_ns)
        for index, frame in enumerate(max(left, right, key=len))
    ]
    width = left[0].rgb.shape[1]
    looked_at = [detector(frame.rgb) for frame in frames[:: max(1, len(frames) // LOOKED_AT)]]
    sides: Tuple[List[np.ndarray], List[np.ndarray]] = ([], [])
    for boxes in looked_at:
        for side, mask in enumerate(
            ((boxes[:, 1] + boxes[:, 3]) / 2 < width, (boxes[:, 1] + boxes[:, 3]) / 2 >= width)
        ):
            if mask.any():
                sides[side].append(max(boxes[mask], key=lambda box: box[0])[1:])
    one, other = (_squares(frames, np.median(boxes, axis=0)) for boxes in sides)
    return one, other


def _squares(frames: List[Frame], box: np.ndarray) -> List[Frame]:
    left, top, right, bottom = box
    half = SCALE * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    side = round(2 * half)
    # Beyond the picture its border is repeated.
    rows = np.clip(np.arange(side) + round(y - half), 0, frames[0].rgb.shape[0] - 1)
    columns = np.clip(np.arange(side) + round(x - half), 0, frames[0].rgb.shape[1] - 1)
    return [Frame(frame.rgb[rows][:, columns], frame.stamp_ns) for frame in frames]
