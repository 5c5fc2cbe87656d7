"""Which camera frames a network gets to see: those nearest to the ticks of its training rate, by their stamps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import NANOSECONDS

Size = Tuple[int, int]

STAMPS, EVERY_FRAME = "stamps", "every_frame"
MODES = (STAMPS, EVERY_FRAME)
# The frame interval is an exponential mean: quick enough for a camera that changes its rate, calm under jitter.
SMOOTHING = 8
SLOW_AFTER = 3


@dataclass(frozen=True)
class _Sequence:
    """What is known of the frames since the last reset; times in nanoseconds."""

    last_stamp: int
    size: Size
    next_tick: int
    interval: int = 0
    slow_intervals: int = 0


@dataclass(frozen=True)
class Decision:
    """What to do with one frame.

    Attributes:
        sampled: whether the network should see it.
        reset: why the history before it must be forgotten, or None.
        slow_camera: whether frames come further apart than the network wants them.
    """

    sampled: bool
    reset: Optional[str]
    slow_camera: bool
    after: Optional[_Sequence]


class Sampler:
    """Decides frame by frame, without ever holding one back.

    `decide` changes nothing; `commit` makes a decision so. A frame that turns out to be unreadable in between
    leaves no trace.
    """

    def __init__(self, period_ns: int, max_gap_ns: int, every_frame: bool = False) -> None:
        """`period_ns` is the time between ticks; after a gap over `max_gap_ns` the history is forgotten."""
        if period_ns <= 0 or max_gap_ns <= 0:
            raise ConfigError(f"period {period_ns} ns and longest gap {max_gap_ns} ns must both be above zero")
        self._period = period_ns
        self._max_gap = max_gap_ns
        self._every_frame = every_frame
        self._sequence: Optional[_Sequence] = None

    def reset(self) -> None:
        """Forget all frames."""
        self._sequence = None

    def decide(self, stamp_ns: int, size: Size) -> Decision:
        """What to do with a frame of this stamp and (height, width)."""
        sequence = self._sequence
        if sequence is None:
            return self._start(stamp_ns, size, None)
        reason = self._break(sequence, stamp_ns, size)
        if reason:
            return self._start(stamp_ns, size, reason)
        if stamp_ns == sequence.last_stamp:
            return Decision(False, None, self._is_slow(sequence), sequence)
        return self._continue(sequence, stamp_ns)

    def commit(self, decision: Decision) -> None:
        """Take over what `decide` found."""
        self._sequence = decision.after

    def _start(self, stamp: int, size: Size, reason: Optional[str]) -> Decision:
        return Decision(True, reason, False, _Sequence(stamp, size, stamp + self._period))

    def _break(self, sequence: _Sequence, stamp: int, size: Size) -> Optional[str]:
        """Why a frame can't belong to the sequence, or None."""
        elapsed = stamp - sequence.last_stamp
        if elapsed < 0:
            return f"stamp went back by {-elapsed / NANOSECONDS:.2f} s"
        if elapsed > self._max_gap:
            limit = self._max_gap / NANOSECONDS
            return f"gap of {elapsed / NANOSECONDS:.2f} s is over the limit of {limit:.2f} s"
        if size != sequence.size:
            (old_height, old_width), (height, width) = sequence.size, size
            return f"frame size changed from {old_width}x{old_height} to {width}x{height}"
        return None

    def _continue(self, sequence: _Sequence, stamp: int) -> Decision:
        elapsed = stamp - sequence.last_stamp
        interval = _followed(sequence.interval, elapsed)
        slow_intervals = sequence.slow_intervals + 1 if elapsed > self._period else 0
        after = replace(sequence, last_stamp=stamp, interval=interval, slow_intervals=slow_intervals)
        # The frame after this one is due at stamp + interval: this one is nearest to the tick unless that is nearer.
        reached = stamp + interval // 2
        sampled = self._every_frame or reached >= sequence.next_tick
        if sampled and reached >= sequence.next_tick:
            passed = (reached - sequence.next_tick) // self._period + 1
            after = replace(after, next_tick=sequence.next_tick + passed * self._period)
        return Decision(sampled, None, self._is_slow(after), after)

    def _is_slow(self, sequence: _Sequence) -> bool:
        """One late frame is a hiccup, several in a row are a slow camera."""
        return not self._every_frame and sequence.slow_intervals >= SLOW_AFTER


def _followed(interval: int, elapsed: int) -> int:
    """The mean frame interval after one more; a lost frame or two must not look like a slower camera."""
    if interval == 0:
        return elapsed
    return interval + (min(elapsed, 2 * interval) - interval) // SMOOTHING
