"""Timing of jobs: one, several that take turns, two that are compared; and the jobs that evaluate a model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count
from typing import Callable, List, Sequence, Tuple

import numpy as np

from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import EVERY_FRAME

Job = Callable[[], object]
Clock = Callable[[], float]
# The first calls allocate memory and wake threads.
WARM_UP_CALLS = 2
FEWEST_CALLS = 3
# The first call of a turn finds cold caches.
CALLS_PER_TURN = 5
FEWEST_ROUNDS = 5
# Enough different frames that no result can be reused, few enough to stay small.
FRAMES_KEPT = 8
STEP_NS = NANOSECONDS // 5


@dataclass(frozen=True)
class Timing:
    """Many calls of one job.

    Attributes:
        median_sec, p10_sec, p90_sec: seconds per call; 10 % of the calls were faster than p10, 10 % slower than p90.
        cpu_sec: processor seconds per call, of all threads of this process.
    """

    median_sec: float
    p10_sec: float
    p90_sec: float
    cpu_sec: float


@dataclass(frozen=True)
class Comparison:
    """Two jobs that take turns, so that other load affects both.

    Attributes:
        rounds: number of rounds; each times both jobs, in alternating order.
        median_sec: seconds per call of the first and of the second job, over all rounds.
        ratio: how many times as fast the first job is: the median over the rounds of the second's time by the first's.
        ratio_p10, ratio_p90: its spread over the rounds.
    """

    rounds: int
    median_sec: Tuple[float, float]
    ratio: float
    ratio_p10: float
    ratio_p90: float


def time_calls(job: Job, seconds: float, clock: Clock = time.perf_counter) -> Timing:
    """Call `job` for `seconds`, at least three times, after a short warm-up."""
    return time_turns([job], seconds, clock)[0]


def time_turns(jobs: Sequence[Job], seconds: float, clock: Clock = time.perf_counter) -> List[Timing]:
    """As `time_calls` for each of several jobs; they take turns, so that other load affects all."""
    for job in [*jobs] * WARM_UP_CALLS:
        job()
    durations: List[List[float]] = [[] for _ in jobs]
    cpu = [0.0 for _ in jobs]
    calls = 1 if len(jobs) == 1 else CALLS_PER_TURN
    end = clock() + seconds * len(jobs)
    while len(durations[0]) < FEWEST_CALLS or clock() < end:
        for index, job in enumerate(jobs):
            began_cpu = time.process_time()
            durations[index] += [_duration(job, clock) for _ in range(calls)]
            cpu[index] += time.process_time() - began_cpu
    return [_timing(calls, used) for calls, used in zip(durations, cpu)]


def compare(first: Job, second: Job, seconds: float, clock: Clock = time.perf_counter) -> Comparison:
    """Time both jobs alternately for `seconds`, at least five rounds.

    The order alternates (first, second, second, first, ...), so that a drift of the machine's speed favours neither.
    """
    jobs = (first, second)
    for job in jobs * WARM_UP_CALLS:
        job()
    turns: List[Tuple[float, float]] = []
    end = clock() + seconds
    while len(turns) < FEWEST_ROUNDS or clock() < end:
        order = (0, 1) if len(turns) % 2 == 0 else (1, 0)
        took = {index: _turn(jobs[index], clock) for index in order}
        turns.append((took[0], took[1]))
    medians = np.median(turns, axis=0)
    low, middle, high = _deciles([slow / quick for quick, slow in turns])
    return Comparison(len(turns), (float(medians[0]), float(medians[1])), middle, low, high)


def input_shape(spec: ModelSpec) -> Tuple[int, ...]:
    """Shape of the uint8 input of one evaluation."""
    side = spec.image_size
    return (side, side, 3) if spec.is_continual else (spec.window, side, side, 3)


def evaluation(recognizer: Recognizer, batch: int = 1) -> Job:
    """A job that evaluates a batch: a step of each of `batch` streams, or one call with `batch` clips.

    Its inputs are cropped uint8 frames; it returns the predictions of the streams, or the probabilities.
    """
    shape = input_shape(recognizer.spec)
    if recognizer.spec.is_continual:
        return _steps(recognizer, _noise((FRAMES_KEPT, *shape)), batch)
    clips = _noise((batch, *shape))
    return lambda: recognizer.classify_clips(clips)


def camera_step(recognizer: Recognizer, size: Tuple[int, int]) -> Job:
    """A job that steps a stream by a camera's image of (height, width) pixels."""
    step = _steps(recognizer, _noise((1, *size, 3)))
    for _ in range(recognizer.spec.window):  # a clip network computes nothing until its window is full
        step()
    return step


def _steps(recognizer: Recognizer, images: np.ndarray, batch: int = 1) -> Job:
    streams = [recognizer.stream(sampling=EVERY_FRAME) for _ in range(batch)]
    steps = count()

    def step() -> object:
        index = next(steps)
        frame = Frame(images[index % len(images)], index * STEP_NS)
        return recognizer.push_many([(stream, frame) for stream in streams])

    return step


def _noise(shape: Tuple[int, ...]) -> np.ndarray:
    """Pixels that take a network as long as a picture does."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _timing(durations: Sequence[float], cpu_sec: float) -> Timing:
    p10, median, p90 = _deciles(durations)
    return Timing(median, p10, p90, cpu_sec / len(durations))


def _turn(job: Job, clock: Clock) -> float:
    return float(np.median([_duration(job, clock) for _ in range(CALLS_PER_TURN)]))


def _duration(job: Job, clock: Clock) -> float:
    began = clock()
    job()
    return clock() - began


def _deciles(values: Sequence[float]) -> Tuple[float, float, float]:
    """(p10, median, p90)."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)
