"""Labels, ids and boxes of several people in synthetic scenes, against ground truth, for three sources of boxes.

pip install motmetrics
python benchmarks/people/scenes.py --scenes 200

People who are hardly visible or near the border count neither as missed nor, with a box, as a false alarm. Boxes
without a person do not count if they lie mostly in such a region. Both rules are TrackEval's for KITTI's 2D tracking. A
person who was out of sight for longer than a tracker keeps an id counts as a new one.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from opendr_har_core import Recognizer
from opendr_har_core.people.boxes import inside, overlaps
from opendr_har_core.people.detector import Detections, NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline, Person
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.crowd import CrowdFrame, TruePerson, render_crowd

FPS, SECONDS = 10.0, 8.0
FEWEST, MOST = 2, 6
SIZE = (480, 640)
LEAST_IOU = 0.5
VISIBLE = 0.6  # of a person who counts
HIDDEN = 0.2  # a person of whom less is visible is out of sight

# From the number of a frame, the frame and the true ids to what the pipeline is given besides.
Source = Callable[[int, Sequence[TruePerson], Sequence[int]], Optional[Detections]]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--size", type=int, default=PeopleSettings.detector_size, help="of the detector's input")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    recognizer = Recognizer.open(options.model, threads=1)
    runs = {
        "packaged detector": Run(recognizer, NanoDet(options.size, threads=1), lambda *_: None),
        "true boxes": Run(recognizer, None, lambda number, people, _: true_detections(number, people)),
        "true boxes with ids": Run(recognizer, None, true_detections),
    }
    for seed in range(options.first, options.first + options.scenes):
        frames = list(scene(seed, options.seconds))
        for run in runs.values():
            run.show(frames)
    found = {name: run.figures() for name, run in runs.items()}
    print(json.dumps(found, indent=1))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1))


def scene(seed: int, seconds: float) -> List[CrowdFrame]:
    """Scene number `seed`."""
    rng = np.random.default_rng(seed)
    actions = rng.choice(ACTIONS, int(rng.integers(FEWEST, MOST + 1))).tolist()
    return list(render_crowd(actions, seconds, FPS, SIZE, seed))


class Run:
    """All scenes through one source of boxes."""

    def __init__(self, recognizer: Recognizer, detector: Optional[NanoDet], source: Source) -> None:
        self._recognizer, self._detector, self._source = recognizer, detector, source
        self.score = Score()

    def show(self, frames: Sequence[CrowdFrame]) -> None:
        """One scene."""
        pipeline = PeoplePipeline(self._recognizer, self._detector, PeopleSettings(), StreamSettings(), LabelSettings())
        self.score.begin()
        for number, (crowd, ids) in enumerate(zip(frames, kept_ids(frames))):
            found = pipeline.push(crowd.frame, self._source(number, crowd.people, ids)).people
            self.score.add(crowd.people, ids, found)

    def figures(self) -> Dict[str, Any]:
        """See `Score`."""
        return self.score.figures()


class Score:
    """Counts labels, and keeps the boxes and ids for motmetrics."""

    def __init__(self) -> None:
        self._right = self._labelled = self._visible = 0
        self._confused: Counter = Counter()
        self._accumulators: List[Any] = []

    def begin(self) -> None:
        """The next scene."""
        import motmetrics

        self._accumulators.append(motmetrics.MOTAccumulator(auto_id=True))

    def add(self, people: Sequence[TruePerson], ids: Sequence[int], found: Sequence[Person]) -> None:
        """One frame."""
        overlap = _ious(people, found)
        pairs = _pairs(overlap)
        counts = [person.visible >= VISIBLE for person in people]
        hidden = [person for person, does in zip(people, counts) if not does]
        region = (inside(_boxes(found), _boxes(hidden)) > 0.5).any(axis=1)
        ignored = {column for row, column in pairs if not counts[row]}
        ignored |= set(np.flatnonzero(region).tolist()) - {column for _, column in pairs}
        rows = [row for row in range(len(people)) if counts[row]]
        columns = [column for column in range(len(found)) if column not in ignored]
        distances = 1 - overlap[np.ix_(rows, columns)]
        distances[distances > 1 - LEAST_IOU] = np.nan
        hypotheses = [int(found[column].track_id) for column in columns]
        self._accumulators[-1].update([ids[row] for row in rows], hypotheses, distances)
        self._visible += len(rows)
        for row, column in pairs:
            label = found[column].label
            if counts[row] and label is not None:
                self._labelled += 1
                self._right += label.label == people[row].action
                self._confused[people[row].action, label.label] += 1

    def figures(self) -> Dict[str, Any]:
        """Shares of right labels and of people with a label, and the metrics of motmetrics over all scenes."""
        import motmetrics

        names = ["idf1", "mota", "num_switches", "num_unique_objects", "recall", "precision"]
        table = motmetrics.metrics.create().compute_many(self._accumulators, metrics=names, generate_overall=True)
        tracking = {name: float(table.loc["OVERALL", name]) for name in names}
        worst = {f"{a} -> {b}": n for (a, b), n in self._confused.most_common() if a != b}
        by_action = {
            action: [sum(n for (a, _), n in self._confused.items() if a == action), self._confused[action, action]]
            for action in ACTIONS
        }
        return {
            "label_accuracy": self._right / max(1, self._labelled),
            "labelled": self._labelled / max(1, self._visible),
            **tracking,
            "labels and right ones": by_action,
            "confused": dict(list(worst.items())[:8]),
        }


def kept_ids(frames: Sequence[CrowdFrame]) -> List[List[int]]:
    """The ids that a tracker has to keep, by frame and person: new ones after `keep_sec` out of sight."""
    seen: Dict[int, Tuple[int, int]] = {}
    number, found = 0, []
    for crowd in frames:
        stamp, ids = crowd.frame.stamp_ns, []
        for person in crowd.people:
            id, latest = seen.get(person.id, (-1, 0))
            if id < 0 or stamp - latest > PeopleSettings.keep_sec * NANOSECONDS:
                number, id, latest = number + 1, number, stamp
            seen[person.id] = (id, stamp if person.visible >= HIDDEN else latest)
            ids.append(id)
        found.append(ids)
    return found


def true_detections(number: int, people: Sequence[TruePerson], ids: Sequence[int] = ()) -> Optional[Detections]:
    """True boxes of those in sight, for every other frame: five a second."""
    if number % 2:
        return None
    in_sight = [row for row, person in enumerate(people) if person.visible >= HIDDEN]
    boxes = np.array([people[row].box for row in in_sight], np.float32).reshape(-1, 4)
    return Detections(boxes, np.ones(len(boxes), np.float32), tuple(str(ids[row]) for row in in_sight if ids))


def _boxes(items: Sequence[Union[TruePerson, Person]]) -> np.ndarray:
    return np.array([each.box for each in items], float).reshape(-1, 4)


def _ious(people: Sequence[TruePerson], found: Sequence[Person]) -> np.ndarray:
    return overlaps(_boxes(people), _boxes(found), np.zeros(len(people)))


def _pairs(overlap: np.ndarray) -> List[Tuple[int, int]]:
    """People and boxes that belong together."""
    from scipy.optimize import linear_sum_assignment

    gain = np.where(overlap >= LEAST_IOU, overlap, 0)
    rows, columns = linear_sum_assignment(-gain)
    return [(int(row), int(column)) for row, column in zip(rows, columns) if gain[row, column] > 0]


if __name__ == "__main__":
    main()
