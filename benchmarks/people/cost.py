"""Cost of a label for each of 1 to 8 people at 640x480 and 30 Hz: processor time, time of a frame, memory.

python benchmarks/people/cost.py --models default continual
"""

from __future__ import annotations

import argparse
import time
from typing import List, Sequence

import numpy as np
import psutil

from opendr_har_core import Frame, Recognizer
from opendr_har_core.backends.allocator import give_memory_back
from opendr_har_core.people.detector import Detections, NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

FPS, SECONDS, ROUNDS = 30, 4, 3
SIZE = (480, 640)
QUANTILES = (0.5, 0.95, 0.99)


class Timed:
    """The detector, with the processor time that it took; the boxes are given, so that all are found."""

    def __init__(self, detector: NanoDet, people: int) -> None:
        self._detector = detector
        width = SIZE[1] / people
        boxes = [(width * i + 0.2 * width, 60, width * i + 0.8 * width, 440) for i in range(people)]
        self._boxes = np.array(boxes, np.float32)
        self.cpu = 0.0

    def detect(self, rgb: np.ndarray) -> Detections:
        """The given boxes, after the real detector has worked."""
        cpu = time.process_time()
        self._detector.detect(rgb)
        self.cpu += time.process_time() - cpu
        return Detections(self._boxes, np.ones(len(self._boxes), np.float32))


class Run:
    """So many people in front of a camera."""

    def __init__(self, name: str, recognizer: Recognizer, detector: NanoDet, people: int) -> None:
        self.name, self.people = name, people
        self._detector = Timed(detector, people)
        self._pipeline = PeoplePipeline(recognizer, self._detector, PeopleSettings(), StreamSettings(), LabelSettings())
        self._count = 0
        self._wall: List[float] = []
        self._cpu: List[float] = []
        self._detecting: List[float] = []
        before = _memory()
        self.round([np.zeros((*SIZE, 3), np.uint8)])
        self.memory_mb = _memory() - before
        self._wall, self._cpu, self._detecting = [], [], []

    def round(self, pictures: Sequence[np.ndarray]) -> None:
        """SECONDS of video."""
        before = self._detector.cpu
        for _ in range(FPS * SECONDS):
            frame = Frame(pictures[self._count % len(pictures)], self._count * 1_000_000_000 // FPS)
            self._count += 1
            wall, cpu = time.perf_counter(), time.process_time()
            self._pipeline.push(frame)
            self._wall.append(time.perf_counter() - wall)
            self._cpu.append(time.process_time() - cpu)
        self._detecting.append((self._detector.cpu - before) / SECONDS)

    def row(self) -> str:
        """The figures as a row of a table."""
        cpu, wall = (np.quantile(times, QUANTILES) for times in (self._cpu, self._wall))
        times = [f"{1e3 * value:.1f}" for value in (*cpu, *wall)]
        cores = np.sum(self._cpu) / (len(self._cpu) / FPS)
        figures = [f"{cores:.2f}", f"{np.mean(self._detecting):.2f}", *times, f"{self.memory_mb:.1f}"]
        return f"| {self.name} | {self.people} | {' | '.join(figures)} |"


def main() -> None:
    """Measure and print a Markdown table; the models and numbers of people take turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["default", "continual"])
    parser.add_argument("--people", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    detector = NanoDet(PeopleSettings.detector_size)
    runs = []
    for name in options.models:
        recognizer = Recognizer.open(name)
        Run(name, recognizer, detector, 1)  # what is the same for any number of people
        runs += [Run(name, recognizer, detector, people) for people in options.people]
    noise = np.random.default_rng(0).integers(0, 256, (FPS, *SIZE, 3), np.uint8)
    for _ in range(options.rounds):
        for run in runs:
            run.round(noise)
    print(
        "| model | people | cores | of it detector | processor ms a frame p50 | p95 | p99 | time p50 | p95 | p99 | MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        print(run.row())


def _memory() -> float:
    give_memory_back()
    return float(psutil.Process().memory_info().rss / 1e6)


if __name__ == "__main__":
    main()
