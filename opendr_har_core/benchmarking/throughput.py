"""Evaluations per second at the batch that gives most of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Optional, Protocol, Tuple

from opendr_har_core.benchmarking.memory import available_bytes, peak_rss_bytes
from opendr_har_core.benchmarking.runners import Runner
from opendr_har_core.benchmarking.timing import Job, Timing, time_calls

LARGEST_BATCH = 64  # unless asked for another
# A doubled batch that brings less than this is not worth its latency and memory.
LEAST_GAIN = 1.02
# Keeps a batch that would push the machine into swapping from being tried.
SHARE_OF_MEMORY = 0.8
NO_GAIN, NO_MEMORY, LARGEST = "no gain", "memory", "largest batch"


class Opened(Protocol):
    """An open model that gives runners for any batch."""

    def runner(self, batch: int = 1) -> Runner:
        """Evaluations of `batch` streams or clips."""
        ...


@dataclass(frozen=True)
class Throughput:
    """What batching brings.

    Attributes:
        batch: the best one.
        per_sec: evaluations per second there, by the median time of a call.
        tried: all batches tried, with their evaluations per second.
        stopped_by: why no larger one was tried: "no gain", "memory" or "largest batch".
    """

    batch: int
    per_sec: float
    tried: Tuple[Tuple[int, float], ...]
    stopped_by: str


def best_throughput(
    model: Opened,
    seconds: float,
    largest: int = LARGEST_BATCH,
    *,
    timer: Callable[[Job, float], Timing] = time_calls,
    peak: Callable[[], Optional[int]] = peak_rss_bytes,
    available: Callable[[], Optional[int]] = available_bytes,
) -> Throughput:
    """Try batches 1, 2, 4, ... for `seconds` each, until one brings nothing or the next might not fit into memory.

    None is larger than `largest`.
    """
    tried: List[Tuple[int, float]] = []
    before = peak()
    batch = 1
    while True:
        tried.append((batch, batch / timer(model.runner(batch).run, seconds).median_sec))
        reason = _reason_to_stop(tried, largest, _growth(before, peak()), available())
        if reason:
            best = max(tried, key=lambda item: item[1])
            return Throughput(best[0], best[1], tuple(tried), reason)
        batch *= 2


def _growth(before: Optional[int], now: Optional[int]) -> int:
    return now - before if before is not None and now is not None else 0


def _reason_to_stop(
    tried: List[Tuple[int, float]], largest: int, growth: int, available: Optional[int]
) -> Optional[str]:
    """`growth` is what the batches so far took; the next one may take as much again."""
    if len(tried) > 1 and tried[-1][1] < LEAST_GAIN * tried[-2][1]:
        return NO_GAIN
    if 2 * tried[-1][0] > largest:
        return LARGEST
    if available is not None and growth > SHARE_OF_MEMORY * available:
        return NO_MEMORY
    return None
