"""Timing of jobs: medians and spread of one job, or the ratio of two jobs that take turns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, List, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import ConfigError

Job = Callable[[], object]
Clock = Callable[[], float]
# The first calls allocate memory and wake threads.
WARM_UP_CALLS = 2
FEWEST_CALLS = 3
# A turn of a comparison is long against the clock's resolution and its first call, which finds cold caches.
TURN_SEC = 0.02
FEWEST_ROUNDS = 5


@dataclass(frozen=True)
class Timing:
    """Many calls of one job.

    Attributes:
        calls: number of timed calls.
        median_sec, p10_sec, p90_sec: seconds per call; 10 % of the calls were faster than p10, 10 % slower than p90.
        cpu_sec: processor seconds per call, of all threads of this process.
    """

    calls: int
    median_sec: float
    p10_sec: float
    p90_sec: float
    cpu_sec: float


@dataclass(frozen=True)
class Comparison:
    """Two jobs that take turns, so that other load affects both.

    Attributes:
        rounds: number of rounds; each times both jobs, in alternating order.
        calls: calls per turn, the same for both jobs.
        median_sec: seconds per call of the first and of the second job, over all rounds.
        ratio: how many times as fast the first job is: the second job's median divided by the first's within a round;
            the median over the rounds.
        ratio_p10, ratio_p90: its spread over the rounds.
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
    job: Job, seconds: float, clock: Clock = time.perf_counter, cpu_clock: Clock = time.process_time
) -> Timing:
    """Call `job` for `seconds`, at least three times, after a short warm-up; raises ConfigError for `seconds` <= 0."""
    _check(seconds)
    _warm_up(job, seconds, clock)
    durations: List[float] = []
    began_cpu, end = cpu_clock(), clock() + seconds
    while len(durations) < FEWEST_CALLS or clock() < end:
        durations.append(_duration(job, clock))
    cpu = (cpu_clock() - began_cpu) / len(durations)
    p10, median, p90 = _deciles(durations)
    return Timing(len(durations), median, p10, p90, cpu)


def compare(first: Job, second: Job, seconds: float, clock: Clock = time.perf_counter) -> Comparison:
    """Time both jobs alternately for `seconds`, at least five rounds; raises ConfigError for `seconds` <= 0.

    The order alternates (first, second, second, first, ...), so that a drift of the machine's speed favours neither.
    """
    _check(seconds)
    jobs = (first, second)
    calls = max(_calls_per_turn(job, seconds, clock) for job in jobs)
    turns: List[Tuple[float, float]] = []
    end = clock() + seconds
    while len(turns) < FEWEST_ROUNDS or clock() < end:
        order = (0, 1) if len(turns) % 2 == 0 else (1, 0)
        took = {index: _turn(jobs[index], calls, clock) for index in order}
        turns.append((took[0], took[1]))
    ratios = [slow / quick for quick, slow in turns]
    medians = (float(np.median([turn[0] for turn in turns])), float(np.median([turn[1] for turn in turns])))
    low, middle, high = _deciles(ratios)
    return Comparison(len(turns), calls, medians, middle, low, high, sum(ratio > 1 for ratio in ratios))


def _warm_up(job: Job, seconds: float, clock: Clock) -> None:
    """Two calls, or one where that takes longer than the measurement."""
    end = clock() + seconds
    for _ in range(WARM_UP_CALLS):
        job()
        if clock() > end:
            return


def _calls_per_turn(job: Job, seconds: float, clock: Clock) -> int:
    _warm_up(job, seconds, clock)
    return max(1, round(TURN_SEC / max(_turn(job, FEWEST_CALLS, clock), 1e-9)))


def _turn(job: Job, calls: int, clock: Clock) -> float:
    """Median seconds of `calls` calls."""
    return float(np.median([_duration(job, clock) for _ in range(calls)]))


def _duration(job: Job, clock: Clock) -> float:
    began = clock()
    job()
    return clock() - began


def _deciles(values: Sequence[float]) -> Tuple[float, float, float]:
    """(p10, median, p90)."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)


def _check(seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"seconds is {seconds}, expected a time above zero")
