"""Tracker: follows people by their boxes and colours, and bridges missed detections and short occlusions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.people.appearance import UNKNOWN, appearances, unlikeness
from opendr_har_core.people.boxes import inside, overlaps
from opendr_har_core.people.detector import Detections
from opendr_har_core.spec import NANOSECONDS

# A certain detection may start a track, a doubtful one only continues it (ByteTrack, arXiv 2110.06864).
CERTAIN, DOUBTFUL = 0.4, 0.2
# Of two boxes of which one lies inside of the other to this share, the worse one has to have this score.
NESTED, NESTED_SHARE = 0.6, 0.8
CONFIRMED_AFTER = 2  # detections
# An overlap counts for less, the more the colours differ: for an e-th at UNLIKE.
LEAST_OVERLAP, UNLIKE, SURE_OVERLAP = 0.1, 0.15, 0.5
MARGIN, MARGIN_PER_SEC = 0.2, 0.4  # of the boxes that are compared; the second, since the track was last seen
# All in heights of the person, who is about 1.7 m tall.
BOX_NOISE, ACCELERATION, FIRST_SPEED = 0.04, 1.0, 0.5
SIZE_SEC = 0.5  # time constant of the size
# A missed person is recognized elsewhere, too: by colours that differ less than SAME, by a height that differs by a
# factor of less than TALLER, at most REACH heights away and as many more each second.
MISSED_SEC, SAME, TALLER, REACH = 0.3, 0.15, 1.4, 1.0
# A box that lies in others by less than this share has the person's own colours.
CLEAR, NEW_COLOURS = 0.5, 0.5
STOP_SEC = 0.7  # time constant after which a person who is not seen is expected to have stopped


@dataclass(frozen=True, eq=False)
class Sighting:
    """A detection.

    Attributes:
        box: float64 (4,).
        score: in 0..1.
        colours: see `appearances`; NaN without an image.
        clear: whether most of the box shows nobody else.
    """

    box: np.ndarray
    score: float = 1.0
    colours: np.ndarray = field(default_factory=lambda: UNKNOWN)
    clear: bool = True


class Track:
    """One person: a box with constant velocity and noisy acceleration, followed by a Kalman filter.

    Attributes:
        id: of the track, unique in a tracker, or the one that the detector gave.
        centre, velocity, size: float64 (2,), x and y, in pixels and pixels per second, at `seen_ns`.
        seen_ns: time of the latest detection.
        detections: their number.
        colours: of the latest clear ones.
    """

    def __init__(self, id: str, seen: Sighting, stamp_ns: int) -> None:
        self.id = id
        self.detections, self.colours = 0, seen.colours
        self.start(seen, stamp_ns)

    def start(self, seen: Sighting, stamp_ns: int) -> None:
        """Take over a sighting that has nothing to do with the motion so far."""
        self.centre, self.size = _centre_and_size(seen.box)
        self.velocity = np.zeros(2)
        height = float(self.size[1])
        # Variance of the position, covariance, variance of the velocity; the same for x and y, as their noise is.
        self._spread = (BOX_NOISE * height) ** 2, 0.0, (FIRST_SPEED * height) ** 2
        self._saw(seen, stamp_ns)

    def box(self, stamp_ns: int) -> np.ndarray:
        """The box at `stamp_ns`: float64 (4,)."""
        centre = self.centre_at(stamp_ns)
        return np.concatenate([centre - self.size / 2, centre + self.size / 2])

    def centre_at(self, stamp_ns: int) -> np.ndarray:
        """The centre at `stamp_ns`: float64 (2,); people who are not seen slow down."""
        elapsed = self.unseen_sec(stamp_ns)
        centre: np.ndarray = self.centre + self.velocity * (STOP_SEC * (1 - math.exp(-elapsed / STOP_SEC)))
        return centre

    def unseen_sec(self, stamp_ns: int) -> float:
        """Seconds since the latest detection."""
        return (stamp_ns - self.seen_ns) / NANOSECONDS

    def update(self, seen: Sighting, stamp_ns: int) -> None:
        """Take over a sighting."""
        elapsed = self.unseen_sec(stamp_ns)
        measured, size = _centre_and_size(seen.box)
        height = float(self.size[1])
        pushed = (ACCELERATION * height * elapsed) ** 2
        place, both, speed = self._spread
        place += elapsed * (2 * both + elapsed * speed) + pushed * elapsed**2 / 4
        both += elapsed * speed + pushed * elapsed / 2
        speed += pushed
        # Floats: arrays of two by two would take ten times as long.
        certain = place + (BOX_NOISE * height) ** 2
        to_place, to_speed = place / certain, both / certain
        expected = self.centre_at(stamp_ns)
        off = measured - expected
        self.centre = expected + to_place * off
        self.velocity = self.velocity + to_speed * off
        self._spread = place - to_place * place, both - to_place * both, speed - to_speed * both
        self.size = self.size + (size - self.size) * (1 - math.exp(-max(elapsed, 1e-3) / SIZE_SEC))
        self._saw(seen, stamp_ns)

    def _saw(self, seen: Sighting, stamp_ns: int) -> None:
        self.seen_ns = stamp_ns
        self.detections += 1
        if seen.clear:
            mixed = self.colours + NEW_COLOURS * (seen.colours - self.colours)
            self.colours = mixed / np.linalg.norm(mixed)


class Tracker:
    """All tracks of one camera."""

    def __init__(self, keep_sec: float = 2.0) -> None:
        """A track ends `keep_sec` seconds after its latest detection."""
        self._keep_sec = keep_sec
        self._tracks: List[Track] = []
        self._number = 0

    def update(self, detections: Detections, stamp_ns: int, rgb: Optional[np.ndarray] = None) -> None:
        """Continue, start and end tracks; without the image, colours don't count."""
        self._tracks = [track for track in self._tracks if track.unseen_sec(stamp_ns) <= self._keep_sec]
        if detections.ids:
            self._believe(detections, stamp_ns)
            return
        seen = _sightings(detections, rgb)
        free = list(self._tracks)
        certain = _give(free, [each for each in seen if each.score >= CERTAIN], _continued, Track.update, stamp_ns)
        certain = _give(free, certain, _in_place, Track.update, stamp_ns)
        _give(free, [each for each in seen if CERTAIN > each.score >= DOUBTFUL], _continued, Track.update, stamp_ns)
        # A person who is seen once and then not is most likely none.
        self._tracks = [track for track in self._tracks if track not in free or track.detections >= CONFIRMED_AFTER]
        missed = [track for track in free if track in self._tracks and track.unseen_sec(stamp_ns) > MISSED_SEC]
        for each in _give(missed, certain, _recognized, Track.start, stamp_ns):
            self._number += 1
            self._tracks.append(Track(str(self._number), each, stamp_ns))

    def clear(self) -> None:
        """End all tracks; their ids are not used again."""
        self._tracks = []

    def tracks(self) -> List[Track]:
        """Confirmed tracks, including those that are not seen at the moment."""
        return [track for track in self._tracks if track.detections >= CONFIRMED_AFTER]

    def _believe(self, detections: Detections, stamp_ns: int) -> None:
        """Take over the ids of a detector that tracks; boxes without an id are left out."""
        known = {track.id: track for track in self._tracks}
        for id, box in zip(detections.ids, detections.boxes):
            if id in known:
                known[id].update(Sighting(box), stamp_ns)
            elif id:
                track = Track(id, Sighting(box), stamp_ns)
                track.detections = CONFIRMED_AFTER
                self._tracks.append(track)


def _sightings(detections: Detections, rgb: Optional[np.ndarray]) -> List[Sighting]:
    """Detections without those that most likely show a person who has a better box, with an arm more or less."""
    boxes, scores = detections.boxes.astype(np.float64), detections.scores
    shares = inside(boxes, boxes)
    nested = np.maximum(shares, shares.T) > NESTED_SHARE
    doubles = (nested & (scores[None] > scores[:, None])).any(axis=1) & (scores < NESTED)
    usable = np.flatnonzero(~doubles & (scores >= DOUBTFUL))
    boxes, scores, shares = boxes[usable], scores[usable], shares[np.ix_(usable, usable)]
    clear = (shares >= CLEAR).sum(axis=1) <= 1  # lies in itself
    colours = [UNKNOWN] * len(usable) if rgb is None else appearances(rgb, boxes)
    return [Sighting(*each) for each in zip(boxes, scores.tolist(), colours, clear.tolist())]


def _give(
    free: List[Track],
    seen: Sequence[Sighting],
    gains: Callable[[Sequence[Track], Sequence[Sighting], int], np.ndarray],
    take: Callable[[Track, Sighting, int], None],
    stamp_ns: int,
) -> List[Sighting]:
    """Give sightings to tracks, those of the largest gains first; takes these tracks from `free`.

    Gains are float (tracks, sightings), 0 for what does not belong together. Returns the sightings that no track took.
    """
    left = list(seen)
    if not free or not left:
        return left
    gain = gains(free, seen, stamp_ns)
    tracks = list(free)
    for index in np.argsort(-gain, axis=None, kind="stable").tolist()[: np.count_nonzero(gain)]:
        track, sighting = tracks[index // len(seen)], seen[index % len(seen)]
        if track in free and sighting in left:
            take(track, sighting, stamp_ns)
            free.remove(track)
            left.remove(sighting)
    return left


def _continued(tracks: Sequence[Track], seen: Sequence[Sighting], stamp_ns: int) -> np.ndarray:
    """Gains by expected place and colours."""
    gain = _overlaps(tracks, seen, stamp_ns) * np.exp(-((np.fmax(_unlikeness(tracks, seen), 0) / UNLIKE) ** 2))
    return np.where(gain < LEAST_OVERLAP, 0, gain)


def _in_place(tracks: Sequence[Track], seen: Sequence[Sighting], stamp_ns: int) -> np.ndarray:
    """Gains by expected place alone: people who step out from behind something have other colours."""
    gain = _overlaps(tracks, seen, stamp_ns)
    return np.where(gain < SURE_OVERLAP, 0, gain)


def _overlaps(tracks: Sequence[Track], seen: Sequence[Sighting], stamp_ns: int) -> np.ndarray:
    margins = np.array([MARGIN + MARGIN_PER_SEC * track.unseen_sec(stamp_ns) for track in tracks])
    return overlaps(np.stack([track.box(stamp_ns) for track in tracks]), np.stack([each.box for each in seen]), margins)


def _recognized(tracks: Sequence[Track], seen: Sequence[Sighting], stamp_ns: int) -> np.ndarray:
    """Gains by colours, within reach."""
    places = [_centre_and_size(each.box) for each in seen]
    centres, heights = np.stack([centre for centre, _ in places]), np.array([size[1] for _, size in places])
    before = np.array([track.size[1] for track in tracks])[:, None]
    reach = before * np.array([REACH * (1 + track.unseen_sec(stamp_ns)) for track in tracks])[:, None]
    distances = np.linalg.norm(np.stack([track.centre for track in tracks])[:, None] - centres, axis=2)
    within = (distances < reach) & (np.abs(np.log(heights / before)) < np.log(TALLER))
    return np.where(within, np.fmax(SAME - _unlikeness(tracks, seen), 0), 0)


def _unlikeness(tracks: Sequence[Track], seen: Sequence[Sighting]) -> np.ndarray:
    return unlikeness(np.stack([track.colours for track in tracks]), np.stack([each.colours for each in seen]))


def _centre_and_size(box: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    low, high = np.asarray(box[:2], np.float64), np.asarray(box[2:], np.float64)
    return (low + high) / 2, high - low
