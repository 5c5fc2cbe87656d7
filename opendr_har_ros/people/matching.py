"""Matches images with the detections of another node by their stamps, independent of ROS."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Deque, Dict, NamedTuple, Optional

from opendr_har_core.people.detector import Detections
from opendr_har_core.spec import NANOSECONDS

SAME_NS = 1_000_000  # stamps that went through a float differ by less
MOST_WAITING, MOST_EARLY = 64, 16
# An image that has waited for this much longer than for its detections is dropped: the node can't keep up.
BEHIND_SEC = 0.25
# Stamps that differ by more are on different clocks.
OTHER_CLOCK_SEC = 60.0


class Matched(NamedTuple):
    """An image that is ready; `detections` is None if there are none of its stamp."""

    message: Any
    stamp_ns: int
    detections: Optional[Detections]


class _Image(NamedTuple):
    message: Any
    stamp_ns: int
    arrived: float


@dataclass(frozen=True)
class MatchCounts:
    """Counts since the start, of messages with detections.

    Attributes:
        received: all.
        matched: those that an image has taken.
        late: those that arrived after their image had been processed.
        unmatched: those whose stamps are those of no image.
        in_a_row: late and unmatched ones since the latest match.
        late_sec: time by which the latest late ones were behind the newest image.
        silent_sec: time since the latest, None before the first.
    """

    received: int = 0
    matched: int = 0
    late: int = 0
    unmatched: int = 0
    in_a_row: int = 0
    late_sec: float = 0.0
    silent_sec: Optional[float] = None


class StampMatcher:
    """Images wait until detections with their or a later stamp have arrived, or for `wait_sec`. Thread-safe.

    All times are in seconds on a monotonic clock.
    """

    def __init__(self, wait_sec: float) -> None:
        self._wait_sec = wait_sec
        self._lock = threading.Lock()
        self._images: Deque[_Image] = deque()
        self._detections: Dict[int, Detections] = {}
        self._newest_ns: Optional[int] = None  # of the detections that arrived last
        self._processed_ns: Optional[int] = None  # of the latest image that was taken
        self._heard: Optional[float] = None
        self._counts = MatchCounts()

    def add_image(self, message: Any, stamp_ns: int, now: float) -> bool:
        """Let an image wait; returns whether the oldest one is dropped for it."""
        with self._lock:
            is_full = len(self._images) == MOST_WAITING
            if is_full:
                self._images.popleft()
            self._images.append(_Image(message, stamp_ns, now))
        return is_full

    def add_detections(self, found: Detections, stamp_ns: int, now: float) -> None:
        """Keep detections for the image of their stamp."""
        with self._lock:
            self._heard, self._newest_ns = now, stamp_ns
            self._count(received=1)
            late_sec = 0.0 if self._processed_ns is None else (self._processed_ns - stamp_ns) / NANOSECONDS
            if self._processed_ns is not None and 0 <= late_sec < OTHER_CLOCK_SEC and not self._awaited(stamp_ns):
                self._count(late=1)
                newest_ns = max([self._processed_ns, *(image.stamp_ns for image in self._images)])
                self._counts = replace(self._counts, late_sec=(newest_ns - stamp_ns) / NANOSECONDS)
                return
            self._detections[stamp_ns] = found
            if len(self._detections) > MOST_EARLY:
                del self._detections[next(iter(self._detections))]
                self._count(unmatched=1)

    def due_sec(self, now: float) -> Optional[float]:
        """Seconds until `take` returns an image, 0 if it does; None if no image waits."""
        with self._lock:
            if not self._images:
                return None
            image = self._images[0]
            has_come = self._newest_ns is not None and self._newest_ns >= image.stamp_ns - SAME_NS
            return 0.0 if has_come else max(0.0, image.arrived + self._wait_sec - now)

    def take(self) -> Optional[Matched]:
        """Remove and return the image that has waited longest."""
        with self._lock:
            if not self._images:
                return None
            message, stamp_ns, _ = self._images.popleft()
            found = None
            for key in list(self._detections):
                if abs(key - stamp_ns) <= SAME_NS:
                    found = self._detections.pop(key)
                    self._counts = replace(self._counts, matched=self._counts.matched + 1, in_a_row=0)
                elif key < stamp_ns and not self._awaited(key):
                    del self._detections[key]  # their image was lost on its way
                    self._count(unmatched=1)
            self._processed_ns = stamp_ns
            return Matched(message, stamp_ns, found)

    def drop_old(self, now: float) -> int:
        """Drop images that are overdue because processing is slower than the camera; returns their number."""
        with self._lock:
            count = 0
            while len(self._images) > 1 and now - self._images[0].arrived > self._wait_sec + BEHIND_SEC:
                self._images.popleft()
                count += 1
            return count

    def flush(self) -> int:
        """Drop all images and detections; returns the number of images."""
        with self._lock:
            count = len(self._images)
            self._images.clear()
            self._detections.clear()
            return count

    def counts(self, now: float) -> MatchCounts:
        """The current numbers."""
        with self._lock:
            return replace(self._counts, silent_sec=None if self._heard is None else now - self._heard)

    def _awaited(self, stamp_ns: int) -> bool:
        return any(abs(image.stamp_ns - stamp_ns) <= SAME_NS for image in self._images)

    def _count(self, received: int = 0, late: int = 0, unmatched: int = 0) -> None:
        counts = self._counts
        self._counts = replace(
            counts,
            received=counts.received + received,
            late=counts.late + late,
            unmatched=counts.unmatched + unmatched,
            in_a_row=counts.in_a_row + late + unmatched,
        )
