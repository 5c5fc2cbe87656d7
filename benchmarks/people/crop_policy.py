"""Right labels by what is cut out around a person, in synthetic scenes with true boxes.

python benchmarks/people/crop_policy.py --scenes 30
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np
from scenes import VISIBLE, kept_ids, scene, true_detections

from opendr_har_core import Frame, Recognizer
from opendr_har_core.people.crops import ASIDE, FOLLOW_SEC, SCALE, SLACK, Square, cut, own_columns
from opendr_har_core.people.tracker import Tracker
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.synthetic.crowd import CrowdFrame, TruePerson

SECONDS, PERIOD = 6.0, 0.1
WINDOW = (0, 4, 8, 12)  # frames of the model `default`
PASSING = ("walking", "running")
EVERYTHING = 100.0  # heights beside the box


@dataclass(frozen=True)
class Policy:
    """See `opendr_har_core.people.crops`; `always` leaves out what is beside the person without neighbours, too."""

    scale: float = SCALE
    slack: float = SLACK
    follow_sec: float = FOLLOW_SEC
    aside: float = ASIDE
    always: bool = False

    def squares(self, boxes: Dict[int, np.ndarray]) -> Dict[int, Square]:
        """The squares around the boxes of one person, by frame."""
        found: Dict[int, Square] = {}
        square = None
        for number, box in boxes.items():
            target = Square.around(box, self.scale)
            square = target if square is None else square.followed(target, PERIOD, self.slack, self.follow_sec)
            found[number] = square
        return found


USED = Policy()
POLICIES = {
    "as used": USED,
    "columns of the person": replace(USED, always=True),
    "all columns": replace(USED, aside=EVERYTHING),
    **{f"all columns, scale {scale}": replace(USED, aside=EVERYTHING, scale=scale) for scale in (1.0, 1.6)},
    **{f"scale {scale}": replace(USED, scale=scale) for scale in (1.0, 1.6)},
    "stands still": replace(USED, slack=EVERYTHING),
    "follows at once": replace(USED, slack=0.0, follow_sec=0.01),
}


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--only", nargs="*", default=list(POLICIES))
    options = parser.parse_args()
    recognizer = Recognizer.open("default", threads=1)
    right: Dict[str, Counter] = defaultdict(Counter)
    number: Counter = Counter()
    for seed in range(options.first, options.first + options.scenes):
        frames = scene(seed, SECONDS)
        boxes = tracked(frames)
        for id, start, person in windows(frames, boxes):
            kind = "pass" if person.action in PASSING else "stay"
            number[kind] += 1
            for name in options.only:
                label = _label(recognizer, frames, boxes, id, start, POLICIES[name])
                right[name][kind] += label == person.action
    print(
        f"| policy | right of {number['stay']} on a spot | of {number['pass']} who walk or run |\n| --- | --- | --- |"
    )
    for name, counts in right.items():
        shares = " | ".join(f"{100 * counts[kind] / max(1, number[kind]):.0f} %" for kind in ("stay", "pass"))
        print(f"| {name} | {shares} |")


def tracked(frames: Sequence[CrowdFrame]) -> Dict[int, Dict[int, np.ndarray]]:
    """Boxes of the tracker, by id and frame, of detections that are true."""
    tracker = Tracker()
    found: Dict[int, Dict[int, np.ndarray]] = defaultdict(dict)
    for number, (crowd, ids) in enumerate(zip(frames, kept_ids(frames))):
        stamp = crowd.frame.stamp_ns
        detections = true_detections(number, crowd.people, ids)
        if detections is not None:
            tracker.update(detections, stamp)
        for track in tracker.tracks():
            found[int(track.id)][number] = track.box(stamp)
    return found


def windows(
    frames: Sequence[CrowdFrame], boxes: Dict[int, Dict[int, np.ndarray]]
) -> Iterator[Tuple[int, int, TruePerson]]:
    """(id, first frame, person) of windows, one after another, in which a person is well visible."""
    seen: Dict[int, Dict[int, TruePerson]] = defaultdict(dict)
    for number, (crowd, ids) in enumerate(zip(frames, kept_ids(frames))):
        for person, id in zip(crowd.people, ids):
            if person.visible >= VISIBLE and number in boxes[id]:
                seen[id][number] = person
    for id, people in seen.items():
        start = 0
        while start + WINDOW[-1] < len(frames):
            if all(start + each in people for each in WINDOW):
                yield id, start, people[start]
                start += WINDOW[-1]
            else:
                start += 2


def _label(
    recognizer: Recognizer,
    frames: Sequence[CrowdFrame],
    boxes: Dict[int, Dict[int, np.ndarray]],
    id: int,
    start: int,
    policy: Policy,
) -> str:
    squares, stream = policy.squares(boxes[id]), recognizer.stream()
    labels: List[str] = []
    for number in (start + each for each in WINDOW):
        frame, box, square = frames[number].frame, boxes[id][number], squares[number]
        others = [people[number] for other, people in boxes.items() if other != id and number in people]
        if policy.always:
            others += [np.subtract(box, (1, 0, 1, 0)), np.add(box, (1, 0, 1, 0))]
        columns = own_columns(square, box, np.reshape(others, (-1, 4)), frame.rgb.shape[1], policy.aside)
        crop = to_network_input(cut(frame.rgb, square, columns), recognizer.spec.image_size)
        prediction = stream.push(Frame(crop, frame.stamp_ns))
        labels += [prediction.label] if prediction is not None else []
    return labels[-1]


if __name__ == "__main__":
    main()
