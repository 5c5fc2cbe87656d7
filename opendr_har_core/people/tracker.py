"""Tracker: follows people from image to image by their boxes, and bridges missed detections and short occlusions."""

from __future__ import annotations

from typing import Dict, List, Tuple

import numpy as np

from opendr_har_core.people.boxes import overlaps
from opendr_har_core.people.detector import Detections
from opendr_har_core.spec import NANOSECONDS

# A certain detection may start a track, a doubtful one only continues it (ByteTrack, arXiv 2110.06864).
CERTAIN, DOUBTFUL = 0.4, 0.2
# Of two boxes of which one lies inside of the other to this share, the worse one has to have this score.
NESTED, NESTED_SHARE = 0.6, 0.8
CONFIRMED_AFTER = 2  # detections
LEAST_OVERLAP = 0.1
MARGIN, MARGIN_PER_SEC = 0.2, 0.4  # of the boxes that are compared; the second, since the track was last seen
# All in heights of the person, who is about 1.7 m tall.
BOX_NOISE, ACCELERATION, FIRST_SPEED = 0.04, 1.0, 0.5
SIZE_SEC = 0.5  # time constant of the size
STOP_SEC = 0.7  # time constant after which a person who is not seen is expected to have stopped


class Track:
    """One person: a box with constant velocity and noisy acceleration, followed by a Kalman filter.

    Attributes:
        id: of the track, unique in a tracker, or the one that the detector gave.
        centre, velocity, size: float64 (2,), x and y, in pixels and pixels per second, at `seen_ns`.
        seen_ns: time of the latest detection.
        detections: their number.
    """

    def __init__(self, id: str, box: np.ndarray, stamp_ns: int) -> None:
        self.id = id
        self.centre, self.size = _centre_and_size(box)
        self.velocity = np.zeros(2)
        self.seen_ns = stamp_ns
        self.detections = 1
        # Of position and velocity; the same for x and y, as their noise is.
        self._covariance = np.diag([(BOX_NOISE * self.size[1]) ** 2, (FIRST_SPEED * self.size[1]) ** 2])

    def box(self, stamp_ns: int) -> np.ndarray:
        """The box at `stamp_ns`: float64 (4,)."""
        centre = self._expected(self.unseen_sec(stamp_ns))
        return np.concatenate([centre - self.size / 2, centre + self.size / 2])

    def unseen_sec(self, stamp_ns: int) -> float:
        """Seconds since the latest detection."""
        return (stamp_ns - self.seen_ns) / NANOSECONDS

    def update(self, box: np.ndarray, stamp_ns: int) -> None:
        """Take over a detection."""
        elapsed = self.unseen_sec(stamp_ns)
        measured, size = _centre_and_size(box)
        height = self.size[1]
        step = np.array([[1.0, elapsed], [0.0, 1.0]])
        pushed = np.array([elapsed**2 / 2, elapsed]) * ACCELERATION * height
        covariance = step @ self._covariance @ step.T + np.outer(pushed, pushed)
        gain = covariance[:, 0] / (covariance[0, 0] + (BOX_NOISE * height) ** 2)
        expected = self._expected(elapsed)
        off = measured - expected
        self.centre = expected + gain[0] * off
        self.velocity = self.velocity + gain[1] * off
        self._covariance = covariance - np.outer(gain, covariance[0])
        self.size = self.size + (size - self.size) * (1 - np.exp(-max(elapsed, 1e-3) / SIZE_SEC))
        self.seen_ns = stamp_ns
        self.detections += 1

    def _expected(self, elapsed: float) -> np.ndarray:
        """The centre so many seconds after the latest detection; people who are not seen slow down."""
        centre: np.ndarray = self.centre + self.velocity * (STOP_SEC * (1 - np.exp(-elapsed / STOP_SEC)))
        return centre


class Tracker:
    """All tracks of one camera."""

    def __init__(self, keep_sec: float = 2.0) -> None:
        """A track ends `keep_sec` seconds after its latest detection."""
        self._keep_sec = keep_sec
        self._tracks: List[Track] = []
        self._number = 0

    def update(self, detections: Detections, stamp_ns: int) -> None:
        """Continue, start and end tracks."""
        self._tracks = [track for track in self._tracks if track.unseen_sec(stamp_ns) <= self._keep_sec]
        if detections.ids:
            self._believe(detections, stamp_ns)
            return
        free = list(self._tracks)
        single = ~_doubles(detections)
        certain = single & (detections.scores >= CERTAIN)
        boxes, doubtful = (
            detections.boxes[certain],
            detections.boxes[single & ~certain & (detections.scores >= DOUBTFUL)],
        )
        left = self._continue(free, boxes, stamp_ns)
        self._continue(free, doubtful, stamp_ns)
        # A person who is seen once and then not is most likely none.
        self._tracks = [track for track in self._tracks if track not in free or track.detections >= CONFIRMED_AFTER]
        for index in left:
            self._number += 1
            self._tracks.append(Track(str(self._number), boxes[index], stamp_ns))

    def clear(self) -> None:
        """End all tracks; their ids are not used again."""
        self._tracks = []

    def tracks(self) -> List[Track]:
        """Confirmed tracks, including those that are not seen at the moment."""
        return [track for track in self._tracks if track.detections >= CONFIRMED_AFTER]

    def _continue(self, free: List[Track], boxes: np.ndarray, stamp_ns: int) -> List[int]:
        """Give boxes to the tracks in `free`, which loses those; returns the indices of boxes that no track took."""
        left = list(range(len(boxes)))
        if not free or not left:
            return left
        expected = np.stack([track.box(stamp_ns) for track in free])
        margins = np.array([MARGIN + MARGIN_PER_SEC * track.unseen_sec(stamp_ns) for track in free])
        found = overlaps(expected, boxes.astype(np.float64), margins)
        taken: Dict[int, int] = {}
        while found.size:
            row, column = divmod(int(found.argmax()), found.shape[1])
            if found[row, column] < LEAST_OVERLAP:
                break
            taken[row] = column
            found[row], found[:, column] = -1, -1
        for row, column in taken.items():
            free[row].update(boxes[column], stamp_ns)
            left.remove(column)
        free[:] = [track for index, track in enumerate(free) if index not in taken]
        return left

    def _believe(self, detections: Detections, stamp_ns: int) -> None:
        """Take over the ids of a detector that tracks; boxes without an id are left out."""
        known = {track.id: track for track in self._tracks}
        for id, box in zip(detections.ids, detections.boxes):
            if id in known:
                known[id].update(box, stamp_ns)
            elif id:
                track = Track(id, box, stamp_ns)
                track.detections = CONFIRMED_AFTER
                self._tracks.append(track)


def _doubles(detections: Detections) -> np.ndarray:
    """bool (n,): boxes that most likely show a person who has a better box, with an arm more or less."""
    boxes, scores = detections.boxes, detections.scores
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    nested = np.prod(np.clip(high - low, 0, None), axis=2) > NESTED_SHARE * np.minimum(areas[:, None], areas[None])
    doubles: np.ndarray = (nested & (scores[None] > scores[:, None])).any(axis=1) & (scores < NESTED)
    return doubles


def _centre_and_size(box: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    low, high = np.asarray(box[:2], np.float64), np.asarray(box[2:], np.float64)
    return (low + high) / 2, high - low
