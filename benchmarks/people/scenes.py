"""Labels, ids and boxes of several people in synthetic scenes, against ground truth and against true boxes.

pip install motmetrics
python benchmarks/people/scenes.py --scenes 200
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from opendr_har_core import Recognizer
from opendr_har_core.people.detector import Detections, NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline, Person
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.crowd import CrowdFrame, TruePerson, render_crowd

FPS, SECONDS = 10.0, 8.0
FEWEST, MOST = 2, 6
SIZE = (480, 640)
LEAST_IOU = 0.5
VISIBLE = 0.6  # of a person whose label counts


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    recognizer = Recognizer.open(options.model)
    detector = NanoDet(PeopleSettings.detector_size)
    runs = {"detected": Run(recognizer, detector), "true boxes": Run(recognizer, None)}
    for seed in range(options.first, options.first + options.scenes):
        rng = np.random.default_rng(seed)
        actions = rng.choice(ACTIONS, int(rng.integers(FEWEST, MOST + 1))).tolist()
        frames = list(render_crowd(actions, options.seconds, FPS, SIZE, seed))
        for run in runs.values():
            run.show(frames)
    found = {name: run.figures() for name, run in runs.items()}
    print(json.dumps(found, indent=1))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1))


class Run:
    """All scenes through one kind of boxes."""

    def __init__(self, recognizer: Recognizer, detector: Optional[NanoDet]) -> None:
        self._recognizer, self._detector = recognizer, detector
        self._right = self._labelled = self._visible = 0
        self._confused: Counter = Counter()
        self._accumulators: List[Any] = []

    def show(self, frames: Sequence[CrowdFrame]) -> None:
        """One scene."""
        import motmetrics

        pipeline = PeoplePipeline(self._recognizer, self._detector, PeopleSettings(), StreamSettings(), LabelSettings())
        accumulator = motmetrics.MOTAccumulator(auto_id=True)
        for number, crowd in enumerate(frames):
            given = _true_detections(crowd) if self._detector is None and number % 2 == 0 else None
            people = pipeline.push(crowd.frame, given).people
            seen = [person for person in crowd.people if person.visible >= VISIBLE]
            self._count(people, seen)
            distances = 1 - _ious(np.array([p.box for p in seen]), np.array([p.box for p in people]))
            distances[distances > 1 - LEAST_IOU] = np.nan
            accumulator.update([p.id for p in seen], [int(p.track_id) for p in people], distances)
        self._accumulators.append(accumulator)

    def _count(self, people: Sequence[Person], seen: Sequence[TruePerson]) -> None:
        overlaps = _ious(np.array([p.box for p in seen]), np.array([p.box for p in people]))
        for row, truth in enumerate(seen):
            self._visible += 1
            if len(people) == 0 or overlaps[row].max() < LEAST_IOU:
                continue
            label = people[int(overlaps[row].argmax())].label
            if label is not None:
                self._labelled += 1
                self._right += label.label == truth.action
                self._confused[truth.action, label.label] += 1

    def figures(self) -> Dict[str, Any]:
        """Accuracy, and the metrics of motmetrics over all scenes."""
        import motmetrics

        names = ["idf1", "mota", "num_switches", "num_unique_objects", "recall", "precision"]
        table = motmetrics.metrics.create().compute_many(self._accumulators, metrics=names, generate_overall=True)
        tracking = {name: float(table.loc["OVERALL", name]) for name in names}
        worst = {f"{a} -> {b}": n for (a, b), n in self._confused.most_common() if a != b}
        return {
            "label_accuracy": self._right / max(1, self._labelled),
            "labelled": self._labelled / max(1, self._visible),
            **tracking,
            "confused": dict(list(worst.items())[:8]),
        }


def _true_detections(crowd: CrowdFrame) -> Detections:
    boxes = np.array([person.box for person in crowd.people], np.float32).reshape(-1, 4)
    ids = tuple(str(person.id) for person in crowd.people)
    return Detections(boxes, np.ones(len(boxes), np.float32), ids)


def _ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if len(first) == 0 or len(second) == 0:
        return np.zeros((len(first), len(second)))
    from opendr_har_core.people.boxes import overlaps

    return overlaps(first.astype(float), second.astype(float), np.zeros(len(first)))


if __name__ == "__main__":
    main()
