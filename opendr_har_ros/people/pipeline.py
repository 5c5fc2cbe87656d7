"""Image messages to labels of people, for all cameras of a node, independent of rclpy."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, Optional

import numpy as np

from opendr_har_core.errors import HarError
from opendr_har_core.people.detector import Detections, NanoDet, PersonDetector
from opendr_har_core.people.pipeline import People, PeoplePipeline
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_ros.common.images import frame_from_message
from opendr_har_ros.common.pipeline import CameraPipelines, Events, Outcome, Shown, open_recognizer
from opendr_har_ros.people.parameters import PACKAGED, AllSettings

# Times are averaged over this many images.
RECENT = 50


@dataclass(frozen=True)
class PeopleOutcome(Outcome):
    """An outcome, with the people in the image."""

    people: Optional[People] = None

    @property
    def people_in_view(self) -> int:
        """Number of people with labels, or soon with one."""
        return 0 if self.people is None else len(self.people.people)

    def showing(self, track_id: str) -> Optional[Shown]:
        """A person, the nearest one for ""; None if that person is not in view."""
        for person in () if self.people is None or self.out_of_order else self.people.people:
            if track_id in ("", person.track_id) and person.crop is not None:
                return person.track_id, person.label if person.is_new else None, person.crop
        return None


class PeoplePipelines(CameraPipelines):
    """A recognizer and a detector for all cameras, with a pipeline and the times of each camera."""

    labels_people = True

    def __init__(self, recognizer: Recognizer, detector: Optional[PersonDetector], settings: AllSettings) -> None:
        """Without a detector, `push` needs detections; only the settings of the labels can change later."""
        self._detectors = {name: _TimedDetector(detector) for name in settings.node.cameras}
        cameras = {
            name: PeoplePipeline(
                recognizer, timed if detector else None, settings.people, settings.stream, settings.labels
            )
            for name, timed in self._detectors.items()
        }
        super().__init__(recognizer, settings, cameras)
        self._settings = settings
        self._people: Dict[str, People] = {}
        self._step_ms: Dict[str, Deque[float]] = {name: deque(maxlen=RECENT) for name in cameras}

    @classmethod
    def open(cls, settings: AllSettings) -> PeoplePipelines:
        """Load the models; raises ModelError, ConfigError or BackendError."""
        recognizer, model = open_recognizer(settings), settings.model
        detector = None
        if settings.node.detector == PACKAGED:
            detector = NanoDet(settings.people.detector_size, model.providers, model.threads or None)
        return cls(recognizer, detector, settings)

    def values(self, camera: str) -> Dict[str, str]:
        """People in view, and the latest mean times of detector and of the rest."""
        people = self._people.get(camera, People(()))
        values = {"people": str(len(people.people)), "detector": self._settings.node.detector}
        for name, times in (("detector (ms)", self._detectors[camera].ms), ("step (ms)", self._step_ms[camera])):
            if times:
                values[name] = f"{np.mean(list(times)):.1f}"
        return values

    def reset(self) -> Dict[str, Events]:
        """Forget everyone; returns the labels that end, by camera."""
        self._people = {}
        return super().reset()

    def push(self, camera: str, message: Any, stamp_ns: int, detections: Optional[Detections]) -> PeopleOutcome:
        """Process the camera's next image; one that can't be used yields an outcome with an error."""
        with self.lock:
            detector = self._detectors[camera]
            begun, detected = time.perf_counter(), detector.total_sec
            try:
                frame = frame_from_message(message, self._settings.node.transport, stamp_ns)
                people = self.cameras[camera].push(frame, detections)
            except HarError as error:
                return PeopleOutcome(error=error)
            if people is self._people.get(camera):  # skipped: no newer than the one before
                return PeopleOutcome(out_of_order=True, frame=frame, people=people)
            elapsed = time.perf_counter() - begun - (detector.total_sec - detected)
            self._step_ms[camera].append(1000 * elapsed)
            self._people[camera] = people
            new = tuple((person.track_id, person.label) for person in people.people if person.is_new and person.label)
            return PeopleOutcome(new, people.events, True, False, people.reset, frame, people=people)


class _TimedDetector:
    """A detector that notes how long it takes."""

    def __init__(self, detector: Any) -> None:
        self._detector = detector
        self.total_sec = 0.0
        self.ms: Deque[float] = deque(maxlen=RECENT)

    def detect(self, rgb: np.ndarray) -> Detections:
        """See `PersonDetector`."""
        begun = time.perf_counter()
        found: Detections = self._detector.detect(rgb)
        elapsed = time.perf_counter() - begun
        self.total_sec += elapsed
        self.ms.append(1000 * elapsed)
        return found
