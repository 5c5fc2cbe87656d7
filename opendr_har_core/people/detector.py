"""Person detectors: the packaged NanoDet, and the protocol for others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional, Protocol, Sequence, Tuple

import cv2
import numpy as np

from opendr_har_core.backends.session import Sessions, session_settings
from opendr_har_core.errors import ConfigError, DataError

MODEL = Path(__file__).with_name("person_detector.onnx")
BINS = 11  # of the distribution over each distance, in cells
CELLS = 32  # image sides are multiples of the coarsest stride
OVERLAP = 0.5  # of two boxes that are one person
LEAST_SCORE = 0.1
MOST_BOXES = 100
LARGEST_SIDE = 1e5


@dataclass(frozen=True)
class Detections:
    """People found in one image.

    Attributes:
        boxes: float32 (n, 4): left, top, right, bottom in pixels; may reach beyond the image.
        scores: float32 (n,) in 0..1.
        ids: track ids of a detector that tracks, "" for a box without one; () for other detectors.
    """

    boxes: np.ndarray
    scores: np.ndarray
    ids: Tuple[str, ...] = ()

    @classmethod
    def checked(cls, boxes: Any, scores: Any, ids: Sequence[str] = ()) -> Tuple[Detections, int]:
        """(usable detections, number of those left out), best scores first; for boxes from outside.

        Left out are boxes with values that are not finite, empty or huge ones, scores that are no probability, repeated
        ids, and all but the best hundred. Raises DataError for arrays of other shapes.
        """
        boxes, scores = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(scores, np.float32).reshape(-1)
        if len(boxes) != len(scores) or len(ids) not in (0, len(boxes)):
            raise DataError(f"{len(boxes)} boxes have {len(scores)} scores and {len(ids)} ids, expected one for each")
        sides = boxes[:, 2:] - boxes[:, :2]
        usable = np.isfinite(boxes).all(axis=1) & (sides > 0).all(axis=1) & (np.abs(boxes) < LARGEST_SIDE).all(axis=1)
        usable &= (scores >= 0) & (scores <= 1)
        kept: List[int] = []
        seen = set()
        for index in np.argsort(-scores, kind="stable").tolist():
            id = ids[index] if ids else ""
            if usable[index] and id not in seen and len(kept) < MOST_BOXES:
                kept.append(index)
                seen.update({id} - {""})
        found = cls(boxes[kept], scores[kept], tuple(ids[index] for index in kept) if ids else ())
        return found, len(boxes) - len(kept)


class PersonDetector(Protocol):
    """Finds people in images."""

    def detect(self, rgb: np.ndarray) -> Detections:
        """People in a uint8 (H, W, 3) RGB image, doubtful ones included; raises BackendError."""
        ...


class NanoDet:
    """The packaged detector: NanoDet-g, cut to one class; distances are decoded as in arXiv 2006.04388."""

    def __init__(
        self, size: int = 416, providers: Optional[Sequence[str]] = None, threads: Optional[int] = None
    ) -> None:
        """`size` is the longer side to which images are scaled, a multiple of 32: small people need more.

        `providers` and `threads` are those of `Recognizer.open`. Raises ConfigError or BackendError.
        """
        if size < CELLS or size % CELLS:
            raise ConfigError(f"the detector's size is {size}, expected a multiple of {CELLS} such as 416")
        self._size = size
        self._sessions = Sessions(MODEL, session_settings(providers, threads))

    def detect(self, rgb: np.ndarray) -> Detections:
        """See `PersonDetector`."""
        scale = self._size / max(rgb.shape[:2])
        height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
        image = np.zeros((1, *(-(-side // CELLS) * CELLS for side in (height, width)), 3), np.uint8)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image[0, :height, :width] = cv2.resize(rgb, (width, height), interpolation=method)
        maps: List[np.ndarray] = self._sessions.run(1, lambda session: session.run(None, {"image": image}))
        boxes, scores = decode(maps, image.shape[1])
        return Detections(boxes / np.float32(scale), scores)


def decode(maps: Sequence[np.ndarray], height: int) -> Tuple[np.ndarray, np.ndarray]:
    """(boxes, scores) of the network's outputs for an image of this height, after non-maximum suppression.

    Each output is float32 (1, 45, rows, columns): the logit of a person, and for left, top, right and bottom the logits
    of 11 distances from the cell's centre.
    """
    boxes, scores = [], []
    for cells in maps:
        stride = height / cells.shape[2]
        probability = 1 / (1 + np.exp(-cells[0, 0]))
        rows, columns = np.nonzero(probability > LEAST_SCORE)
        logits = cells[0, 1:, rows, columns].reshape(-1, 4, BINS)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        distances = (weights @ np.arange(BINS, dtype=np.float32)) / weights.sum(axis=2) * stride
        centres = np.stack([columns + 0.5, rows + 0.5], axis=1) * stride
        boxes.append(np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1))
        scores.append(probability[rows, columns])
    found, certain = np.concatenate(boxes).astype(np.float32), np.concatenate(scores)
    rectangles = np.concatenate([found[:, :2], found[:, 2:] - found[:, :2]], axis=1)
    kept: Any = cv2.dnn.NMSBoxes(rectangles.tolist(), certain.tolist(), LEAST_SCORE, OVERLAP)
    order = np.asarray(kept, np.int64).reshape(-1)
    return found[order], certain[order]
