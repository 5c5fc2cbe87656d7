"""What a stream of video costs each of several models, in turn on one machine."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from dataclasses import dataclass
from typing import Iterator, List, Sequence, Tuple

import numpy as np

from opendr_har_core.benchmarking.footage import square
from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import Recognizer

FPS = 30
ROUNDS, ROUND_SEC = 5, 2


@dataclass(frozen=True)
class Cost:
    """One model on one camera.

    Attributes:
        step_sec: median wall time of a frame that is sampled, from the image to the prediction.
        cpu_sec: processor seconds, of all threads, for a second of a 30 Hz camera.
        stream_bytes: what a stream keeps between frames, as NumPy tells.
    """

    step_sec: float
    cpu_sec: float
    stream_bytes: int


def costs_of(recognizers: Sequence[Recognizer], size: Tuple[int, int], rounds: int = ROUNDS) -> List[Cost]:
    """Show each model a camera of (height, width) pixels; the models take turns, so that other work meets all alike."""
    memory = [_stream_bytes(recognizer) for recognizer in recognizers]
    cameras = [_Camera(recognizer, size) for recognizer in recognizers]
    for _ in range(rounds):
        for camera in cameras:
            camera.round()
    return [
        Cost(statistics.median(camera.step_sec), statistics.median(camera.cpu_sec), held)
        for camera, held in zip(cameras, memory)
    ]


class _Camera:
    """One model's stream of noise, which costs what a picture does."""

    def __init__(self, recognizer: Recognizer, size: Tuple[int, int]) -> None:
        self.step_sec: List[float] = []
        self.cpu_sec: List[float] = []
        self._side = recognizer.spec.image_size
        self._stream = recognizer.stream()
        self._frames = _noise(size)
        filled = recognizer.spec.window * recognizer.spec.period_ns / NANOSECONDS
        for frame in self._next(filled + 1):  # a clip network computes nothing until its window is full
            self._stream.push(square(frame, self._side))

    def round(self) -> None:
        """Some seconds of video."""
        cpu = 0.0
        for frame in self._next(ROUND_SEC):
            began, began_cpu = time.perf_counter(), time.process_time()
            self._stream.push(square(frame, self._side))
            cpu += time.process_time() - began_cpu
            if self._stream.status.sampled:
                self.step_sec.append(time.perf_counter() - began)
        self.cpu_sec.append(cpu / ROUND_SEC)

    def _next(self, seconds: float) -> List[Frame]:
        return [next(self._frames) for _ in range(round(seconds * FPS))]


def _noise(size: Tuple[int, int]) -> Iterator[Frame]:
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    index = 0
    while True:
        yield Frame(rgb, index * NANOSECONDS // FPS)
        index += 1


def _stream_bytes(recognizer: Recognizer) -> int:
    """What is allocated by a new stream's first step, and stays."""
    side = recognizer.spec.image_size
    frame = square(next(_noise((side, side))), side)
    recognizer.stream().push(frame)  # what the first step of all allocates is the model's
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        stream = recognizer.stream()
        stream.push(frame)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
