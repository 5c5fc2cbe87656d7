"""Detections and people as vision_msgs."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from opendr_har_core.people.detector import Detections
from opendr_har_core.people.pipeline import Person
from opendr_har_core.prediction import Prediction
from opendr_har_ros.common.vision_messages import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesisWithPose,
    hypothesis,
)

PERSON_CLASSES = ("", "person", "0")
# More are not read: Python takes a millisecond for a hundred.
MOST_READ = 1000


def detections_from_message(message: Any, person_class: str) -> Tuple[Detections, int]:
    """(people of a Detection2DArray, number of unusable boxes).

    The best hypothesis of a detection has to be a person: `person_class`, or if that is "" one of PERSON_CLASSES. A
    detection without hypotheses counts as a person, with score 1.
    """
    classes = (person_class,) if person_class else PERSON_CLASSES
    boxes: List[List[float]] = []
    scores: List[float] = []
    ids: List[str] = []
    for item in message.detections[:MOST_READ]:
        best = max((result.hypothesis for result in item.results), key=lambda guess: guess.score, default=None)
        if best is not None and best.class_id not in classes:
            continue
        x, y = item.bbox.center.position.x, item.bbox.center.position.y
        half_x, half_y = item.bbox.size_x / 2, item.bbox.size_y / 2
        boxes.append([x - half_x, y - half_y, x + half_x, y + half_y])
        scores.append(1.0 if best is None else best.score)
        ids.append(item.id)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and so unusable
        found, unusable = Detections.checked(boxes, scores, ids if any(ids) else ())
    return found, unusable + max(0, len(message.detections) - MOST_READ)


class PeopleMessages:
    """Makes Detection2DArray messages; hypotheses of a label are converted once, for all images that show it."""

    def __init__(self) -> None:
        self._results: Dict[str, Tuple[Prediction, List[ObjectHypothesisWithPose]]] = {}

    def message(self, people: Sequence[Person], header: Any, class_id_format: str) -> Detection2DArray:
        """People with the header of their image; `results` is empty before a person's first label."""
        results = {person.track_id: self._hypotheses(person, class_id_format) for person in people}
        labels = {person.track_id: person.label for person in people if person.label is not None}
        self._results = {track_id: (label, results[track_id]) for track_id, label in labels.items()}
        return Detection2DArray(
            header=header, detections=[_detection(person, header, results[person.track_id]) for person in people]
        )

    def _hypotheses(self, person: Person, class_id_format: str) -> List[ObjectHypothesisWithPose]:
        if person.label is None:
            return []
        label, results = self._results.get(person.track_id, (None, []))
        if label is person.label:
            return results
        return [ObjectHypothesisWithPose(hypothesis=hypothesis(item, class_id_format)) for item in person.label.top]


def _detection(person: Person, header: Any, results: List[ObjectHypothesisWithPose]) -> Detection2D:
    left, top, right, bottom = person.box
    box = BoundingBox2D(size_x=right - left, size_y=bottom - top)
    box.center.position.x, box.center.position.y = (left + right) / 2, (top + bottom) / 2
    return Detection2D(header=header, results=results, bbox=box, id=person.track_id)
