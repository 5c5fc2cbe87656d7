"""Sampling: choose the camera frames nearest to the ticks of the training rate, by their stamps.

An ordinary stream has one history, which takes one frame per tick. A dense stream interleaves several histories, so
that each camera frame belongs to one: a frame that no history takes starts another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import NANOSECONDS

Size = Tuple[int, int]

# Weight of the exponential mean of the frame interval: follows a camera that changes its rate, ignores jitter.
SMOOTHING = 8
SLOW_AFTER = 3
# A frame up to this much older than the newest one is late and skipped: frames must be in order. After this many in a
# row, the clock went back (RFC 3550, appendix A.1, tells late packets from a restarted source the same way).
LATE_WITHIN_NS = NANOSECONDS // 2
LATE_IN_A_ROW = 5
# A history ends after other histories have taken its frames too, this many times in a row.
SHARED_TOO_OFTEN = 8
# If aligned, a camera about as fast as the model gives all its frames: with ticks halfway between two frames, jitter
# would skip some.
ABOUT_AS_QUICK = 0.9


@dataclass(frozen=True)
class _History:
    """One of the interleaved histories: its next tick, and how many of its latest frames other histories took too."""

    number: int
    next_tick: int
    shared: int = 0


@dataclass(frozen=True)
class _Sequence:
    """The frames since the last reset, histories in order of their start; times in nanoseconds."""

    last_stamp: int
    size: Size
    histories: Tuple[_History, ...]
    interval: int = 0
    slow_intervals: int = 0
    late_frames: int = 0


@dataclass(frozen=True)
class Decision:
    """What to do with one frame.

    Attributes:
        taken_by: numbers of the histories that take it, the oldest first.
        reset: why all earlier frames must be forgotten, or None.
        slow_camera: whether frames are further apart than the model expects.
        out_of_order: whether it is skipped because it is no newer than an earlier one.
    """

    taken_by: Tuple[int, ...]
    reset: Optional[str]
    slow_camera: bool
    after: _Sequence
    out_of_order: bool = False

    @property
    def sampled(self) -> bool:
        """Whether any history takes the frame."""
        return bool(self.taken_by)

    @property
    def live(self) -> Tuple[int, ...]:
        """Numbers of all current histories, the oldest first."""
        return tuple(history.number for history in self.after.histories)


class Sampler:
    """Decides about each frame at once, without waiting for the next.

    `decide` changes nothing until `commit`, so a frame that turns out to be unreadable leaves no trace.
    """

    def __init__(
        self, period_ns: int, max_gap_ns: int, every_frame: bool = False, histories: int = 1, aligned: bool = False
    ) -> None:
        """`period_ns` is the time between ticks; a gap of more than `max_gap_ns` is a reset.

        `histories` is their maximum number. Ticks start at a history's first frame, or, if `aligned`, at the nearest
        multiple of `period_ns / histories`, so that cameras with one clock are sampled together.
        """
        if period_ns <= 0 or max_gap_ns <= 0:
            raise ConfigError(f"period {period_ns} ns and longest gap {max_gap_ns} ns must both be above zero")
        self._period = period_ns
        self._max_gap = max_gap_ns
        self._every_frame = every_frame
        self._histories = histories
        self._aligned = aligned
        self._sequence: Optional[_Sequence] = None

    def reset(self) -> None:
        """Forget all frames."""
        self._sequence = None

    def decide(self, stamp_ns: int, size: Size) -> Decision:
        """What to do with a frame of this stamp and (height, width)."""
        sequence = self._sequence
        if sequence is None:
            return self._start(stamp_ns, size, None)
        if sequence.last_stamp - LATE_WITHIN_NS <= stamp_ns <= sequence.last_stamp:
            late = sequence.late_frames + int(stamp_ns < sequence.last_stamp)
            if late < LATE_IN_A_ROW:
                after = replace(sequence, late_frames=late)
                return Decision((), None, self._is_slow(sequence), after, out_of_order=True)
        reason = self._break(sequence, stamp_ns, size)
        if reason:
            return self._start(stamp_ns, size, reason)
        return self._continue(sequence, stamp_ns)

    def commit(self, decision: Decision) -> None:
        """Adopt a decision."""
        self._sequence = decision.after

    def _start(self, stamp: int, size: Size, reason: Optional[str]) -> Decision:
        first = _History(0, self._first_tick(stamp) + self._period)
        return Decision((first.number,), reason, False, _Sequence(stamp, size, (first,)))

    def _first_tick(self, stamp: int) -> int:
        if not self._aligned:
            return stamp
        nearest = (2 * stamp * self._histories + self._period) // (2 * self._period)
        return nearest * self._period // self._histories

    def _break(self, sequence: _Sequence, stamp: int, size: Size) -> Optional[str]:
        """Why a frame does not continue the sequence, or None."""
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
        # The next frame is due at stamp + interval; this one is nearest to a tick before stamp + interval / 2.
        reached = stamp + interval // 2
        taken = tuple(item for item in sequence.histories if self._every_frame or reached >= item.next_tick)
        if taken:
            taken, histories = self._advanced(sequence.histories, taken, stamp, interval)
        else:
            taken = self._new_history(sequence.histories, stamp, interval)
            histories = sequence.histories + taken
        after = _Sequence(stamp, sequence.size, histories, interval, slow_intervals)
        return Decision(tuple(item.number for item in taken), None, self._is_slow(after), after)

    def _advanced(
        self, histories: Tuple[_History, ...], taken: Tuple[_History, ...], stamp: int, interval: int
    ) -> Tuple[Tuple[_History, ...], Tuple[_History, ...]]:
        """(Histories that take a frame, all histories) with their next ticks, without one that has become redundant."""
        shared = len(taken) > 1
        moved = tuple(
            _History(item.number, self._tick_after(item.next_tick, stamp, interval), item.shared + 1 if shared else 0)
            for item in taken
        )
        redundant = [item for item in moved if item.shared >= SHARED_TOO_OFTEN]
        if redundant:  # only one at a time: two may be redundant because of each other
            moved = tuple(item for item in moved if item is not redundant[-1])
        if len(histories) == 1:
            return moved, moved
        new = {item.number: item for item in moved}
        gone = {item.number for item in taken} - set(new)
        return moved, tuple(new.get(item.number, item) for item in histories if item.number not in gone)

    def _tick_after(self, tick: int, stamp: int, interval: int) -> int:
        if self._aligned and self._histories == 1 and interval >= ABOUT_AS_QUICK * self._period:
            return stamp + self._period
        off = stamp - tick
        if self._histories > 1 and not self._aligned and abs(off) <= interval:
            # Dense ticks follow the frames, even if the camera's clock is slightly off.
            tick += off // SMOOTHING
        passed = (stamp + interval // 2 - tick) // self._period + 1
        return tick + max(0, passed) * self._period

    def _new_history(self, histories: Tuple[_History, ...], stamp: int, interval: int) -> Tuple[_History, ...]:
        """A history that starts with a frame that no other takes, if there is room between the others."""
        if len(histories) >= self._histories:
            return ()
        tick = self._first_tick(stamp)
        # Within half an interval of another's tick the frame is only jittered; the histories of a fast camera must be
        # nearly a frame of the training videos apart.
        room = max(interval // 2, 2 * self._period // (3 * self._histories))
        if any(_distance(tick, item.next_tick, self._period) < room for item in histories):
            return ()
        return (_History(histories[-1].number + 1, tick + self._period),)

    def _is_slow(self, sequence: _Sequence) -> bool:
        """Several long intervals in a row; a single one is a lost frame."""
        return not self._every_frame and sequence.slow_intervals >= SLOW_AFTER


def _followed(interval: int, elapsed: int) -> int:
    """Updated mean frame interval; bounded, so that a lost frame or two do not look like a slower camera."""
    if interval == 0:
        return elapsed
    return interval + (min(elapsed, 2 * interval) - interval) // SMOOTHING


def _distance(first: int, second: int, period: int) -> int:
    """Distance between two series of ticks, at most half a period."""
    ahead = (first - second) % period
    return min(ahead, period - ahead)
