"""How long something takes: medians and their spread, of one thing or of two in turn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, List, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import ConfigError

Job = Callable[[], object]
# The first calls allocate memory and wake threads.
WARM_UP_CALLS = 2
FEWEST_CALLS = 3
# Turns of a comparison last at least this long, so that a turn is more than its clock and its first, cold call.
TURN_SEC = 0.02
FEWEST_ROUNDS = 5


@dataclass(frozen=True)
class Timing:
    """Many calls of one job.

    Attributes:
        calls: number of calls timed.
        median_sec, p10_sec, p90_sec: seconds per call; a tenth of the calls was quicker than p10, a tenth slower
            than p90.
        cpu_sec: processor seconds per call, of all threads of this process.
    """

    calls: int
    median_sec: float
    p10_sec: float
    p90_sec: float
    cpu_sec: float


@dataclass(frozen=True)
class Comparison:
    """Two jobs in turn, so that whatever else the machine does meets both.

    Attributes:
        rounds: number of rounds; each times both jobs, in alternating order.
        calls: calls per turn, the same for both jobs.
        median_sec: seconds per call, of the first and of the second job, over all rounds.
        ratio: the second job's median over the first's, that is how many times as fast the first is, within a round;
            the median over the rounds.
        ratio_p10, ratio_p90: its spread from round to round.
        first_faster: number of rounds in which the first job was faster.
    """

    rounds: int
    calls: int
    median_sec: Tuple[float, float]
    ratio: float
    ratio_p10: float
    ratio_p90: float
    first_faster: int


def time_calls(
    job: Job,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.process_time,
) -> Timing:
    """Call `job` for `seconds`, and three times at least, after a short warm-up."""
    _check(seconds)
    _warm_up(job, seconds, clock)
    durations: List[float] = []
    began_cpu, end = cpu_clock(), clock() + seconds
    while len(durations) < FEWEST_CALLS or clock() < end:
        began = clock()
        job()
        durations.append(clock() - began)
    cpu = (cpu_clock() - began_cpu) / len(durations)
    p10, median, p90 = _deciles(durations)
    return Timing(len(durations), median, p10, p90, cpu)


def compare(first: Job, second: Job, seconds: float, clock: Callable[[], float] = time.perf_counter) -> Comparison:
    """Time both jobs in turn for `seconds`, and five rounds at least.

    The order alternates (first, second, second, first, ...), so that a drift of the machine's speed favours neither.
    """
    _check(seconds)
    jobs = (first, second)
    calls = max(_calls_per_turn(job, clock) for job in jobs)
    turns: List[Tuple[float, float]] = []
    end = clock() + seconds
    while len(turns) < FEWEST_ROUNDS or clock() < end:
        order = (0, 1) if len(turns) % 2 == 0 else (1, 0)
        took = {index: _turn(jobs[index], calls, clock) for index in order}
        turns.append((took[0], took[1]))
    ratios = [slow / quick for quick, slow in turns]
    medians = (float(np.median([turn[0] for turn in turns])), float(np.median([turn[1] for turn in turns])))
    low, middle, high = _deciles(ratios)
    faster = sum(ratio > 1 for ratio in ratios)
    return Comparison(len(turns), calls, medians, middle, low, high, faster)


def _warm_up(job: Job, seconds: float, clock: Callable[[], float]) -> None:
    """Two calls, or one where that takes longer than the measurement is to last."""
    end = clock() + seconds
    for _ in range(WARM_UP_CALLS):
        job()
        if clock() > end:
            return


def _turn(job: Job, calls: int, clock: Callable[[], float]) -> float:
    """Median seconds of `calls` calls."""
    durations = []
    for _ in range(calls):
        began = clock()
        job()
        durations.append(clock() - began)
    return float(np.median(durations))


def _calls_per_turn(job: Job, clock: Callable[[], float]) -> int:
    for _ in range(WARM_UP_CALLS):
        job()
    took = max(_turn(job, FEWEST_CALLS, clock), 1e-9)
    return max(1, round(TURN_SEC / took))


def _deciles(values: Sequence[float]) -> Tuple[float, float, float]:
    """(p10, median, p90)."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)


def _check(seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"seconds is {seconds}, expected a time above zero")
