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
from opendr_har_core.people.detector import Detections, NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

FPS, SECONDS, ROUNDS = 30, 4, 3
SIZE = (480, 640)


class Timed:
    """The detector, with the processor and wall seconds that it took; the boxes are given, so that all are found."""

    def __init__(self, people: int) -> None:
        self._detector = NanoDet(PeopleSettings.detector_size)
        width = SIZE[1] / people
        boxes = [(width * i + 0.2 * width, 60, width * i + 0.8 * width, 440) for i in range(people)]
        self._boxes = np.array(boxes, np.float32)
        self.wall: List[float] = []
        self.cpu = 0.0

    def detect(self, rgb: np.ndarray) -> Detections:
        """The given boxes, after the real detector has worked."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._detector.detect(rgb)
        self.wall.append(time.perf_counter() - wall)
        self.cpu += time.process_time() - cpu
        return Detections(self._boxes, np.ones(len(self._boxes), np.float32))


def main() -> None:
    """Measure and print a Markdown table; the models and numbers of people take turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["default", "continual"])
    parser.add_argument("--people", nargs="+", type=int, default=[1, 2, 4, 8])
    options = parser.parse_args()
    noise = np.random.default_rng(0).integers(0, 256, (FPS, *SIZE, 3), np.uint8)
    print("| model | people | cores | of it detector | frame ms p50 | p95 | p99 | MB for these people |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.models:
        recognizer = Recognizer.open(name)
        for people in options.people:
            print(_row(name, recognizer, people, noise), flush=True)


def _row(name: str, recognizer: Recognizer, people: int, noise: Sequence[np.ndarray]) -> str:
    detector = Timed(people)
    pipeline = PeoplePipeline(recognizer, detector, PeopleSettings(), StreamSettings(), LabelSettings())
    before = psutil.Process().memory_info().rss
    frames = FPS * SECONDS
    wall: List[float] = []
    shares, detecting = [], []
    for round_number in range(ROUNDS + 1):
        began, detector_began = time.process_time(), detector.cpu
        for index in range(frames):
            stamp = (round_number * frames + index) * 1_000_000_000 // FPS
            start = time.perf_counter()
            pipeline.push(Frame(noise[index % len(noise)], stamp))
            wall.append(time.perf_counter() - start)
        shares.append((time.process_time() - began) / SECONDS)
        detecting.append((detector.cpu - detector_began) / SECONDS)
    grown = (psutil.Process().memory_info().rss - before) / 1e6
    p50, p95, p99 = np.quantile(np.array(wall[frames:]) * 1e3, (0.5, 0.95, 0.99))  # without the first round
    share, detector_share = np.median(shares[1:]), np.median(detecting[1:])
    return (
        f"| {name} | {people} | {share:.2f} | {detector_share:.2f} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {grown:.1f} |"
    )


if __name__ == "__main__":
    main()
