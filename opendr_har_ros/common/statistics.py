"""Counters, rates and latencies of a frame stream, independent of ROS. Thread-safe."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Deque, Optional, Sequence, Tuple

from opendr_har_core.spec import NANOSECONDS

WINDOW = 600
RECENT_NS = 10 * NANOSECONDS
# Longer latencies come from stamps on another clock, such as those of a bag or a video.
PLAUSIBLE_LATENCY_SEC = 60.0
# Jitter alone looks like a loss of up to a third; Fast DDS drops more than 0.9 of large images.
MANY_LOST = 0.5
FEW_FRAMES = 20
# A gap this long is a pause or a clock jump, not a loss.
PAUSE_NS = 2 * NANOSECONDS


@dataclass
class Counts:
    """Counts since the start.

    Attributes:
        failing: consecutive unusable images up to the latest; frames that are not sampled don't count.
        out_of_order_in_a_row: consecutive images, up to the latest, with stamps no newer than an earlier one.
        last_error: the latest error's message, or "".
        last_reset: the reason for the latest reset, or "".
    """

    received: int = 0
    sampled: int = 0
    dropped: int = 0
    out_of_order: int = 0
    unreadable: int = 0
    published: int = 0
    resets: int = 0
    failing: int = 0
    out_of_order_in_a_row: int = 0
    last_error: str = ""
    last_reset: str = ""


@dataclass
class Report(Counts):
    """A snapshot of the statistics.

    Attributes:
        rate_in, rate_out: frames received and labels published per second over the last 10 s.
        silent_sec: time since the latest image arrived.
        latency_ms: (p50, p95, p99) from header stamp to publication; None where stamps are on another clock.
        lost_share: estimated share of the publisher's images that were lost in transport; None while unknown.
    """

    rate_in: float = 0.0
    rate_out: float = 0.0
    silent_sec: float = 0.0
    latency_ms: Optional[Tuple[float, float, float]] = None
    lost_share: Optional[float] = None

    @property
    def loses_many(self) -> bool:
        """Whether more than half of the images are lost."""
        return self.lost_share is not None and self.lost_share > MANY_LOST


class Statistics:
    """Counters and sliding windows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()
        self._arrivals: Deque[int] = deque(maxlen=WINDOW)
        self._stamps: Deque[int] = deque(maxlen=WINDOW)
        self._departures: Deque[int] = deque(maxlen=WINDOW)
        self._latencies: Deque[float] = deque(maxlen=WINDOW)

    def received(self, stamp_ns: int, now_ns: int) -> None:
        """Count an image that arrived; `now_ns` is on a monotonic clock."""
        with self._lock:
            self._counts.received += 1
            self._arrivals.append(now_ns)
            if self._stamps and not 0 <= stamp_ns - self._stamps[-1] < PAUSE_NS:
                self._stamps.clear()
            self._stamps.append(stamp_ns)

    def dropped(self) -> None:
        """Count an image that a newer one replaced before it was processed."""
        with self._lock:
            self._counts.dropped += 1

    def sampled(self, reset: Optional[str]) -> None:
        """Count an image that the network saw; `reset` is the reason if it was the first of a new history."""
        with self._lock:
            self._counts.sampled += 1
            self._counts.failing = 0
            if reset:
                self._counts.resets += 1
                self._counts.last_reset = reset

    def ordered(self, out_of_order: bool) -> None:
        """Count whether an image was skipped because its stamp is no newer than an earlier one."""
        with self._lock:
            self._counts.out_of_order += out_of_order
            self._counts.out_of_order_in_a_row = self._counts.out_of_order_in_a_row + 1 if out_of_order else 0

    def failed(self, message: str) -> None:
        """Count an image that could not be used."""
        with self._lock:
            self._counts.unreadable += 1
            self._counts.failing += 1
            self._counts.last_error = message

    def published(self, latency_sec: float, now_ns: int) -> None:
        """Count a published label."""
        with self._lock:
            self._counts.published += 1
            self._departures.append(now_ns)
            if 0 <= latency_sec < PLAUSIBLE_LATENCY_SEC:
                self._latencies.append(latency_sec)

    def report(self, now_ns: int) -> Report:
        """The current numbers; `now_ns` is on the clock of `received`."""
        with self._lock:
            return Report(
                **vars(self._counts),
                rate_in=_rate(self._arrivals, now_ns),
                rate_out=_rate(self._departures, now_ns),
                silent_sec=(now_ns - self._arrivals[-1]) / NANOSECONDS if self._arrivals else 0.0,
                latency_ms=_percentiles_ms(self._latencies),
                lost_share=_lost_share(self._stamps),
            )


def _rate(times: Sequence[int], now_ns: int) -> float:
    """Events per second over the last RECENT_NS."""
    recent = [time for time in times if now_ns - time <= RECENT_NS]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) * NANOSECONDS / max(now_ns - recent[0], 1)


def _percentiles_ms(latencies: Sequence[float]) -> Optional[Tuple[float, float, float]]:
    if not latencies:
        return None
    ordered = sorted(latencies)
    last = len(ordered) - 1
    return tuple(1000 * ordered[round(share * last)] for share in (0.50, 0.95, 0.99))  # type: ignore[return-value]


def _lost_share(stamps: Sequence[int]) -> Optional[float]:
    """Compare the number of stamps with that expected from the publisher's interval (10th percentile)."""
    if len(stamps) < FEW_FRAMES:
        return None
    values = list(stamps)
    intervals = sorted(later - earlier for earlier, later in zip(values, values[1:]))
    usual = intervals[len(intervals) // 10]
    if usual <= 0:
        return None
    expected = (values[-1] - values[0]) / usual + 1
    return max(0.0, 1 - len(values) / expected)
