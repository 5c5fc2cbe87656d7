"""A model and the streams of all cameras, independent of rclpy."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import HarError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.prediction import Prediction
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.sampling import LATE_WITHIN_NS
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_core.teaching.teacher import Teacher
from opendr_har_ros.common.node_settings import LabelNodeSettings
from opendr_har_ros.common.parameters import local_path

# A message and its stamp in nanoseconds.
Arrived = Tuple[Any, int]
# (track id, or "" for the whole image; label that began or ended).
Events = Tuple[Tuple[str, LabelEvent], ...]
# Track id or "", the prediction of this image if there is one, and the image or a person's part of it.
Shown = Tuple[str, Optional[Prediction], AnyFrame]


@dataclass(frozen=True)
class Outcome:
    """The result of processing one message.

    Attributes:
        predictions: (track id, or "" for the whole image; filtered prediction) of this message.
        events: labels that began and ended.
        sampled: whether the network or the detector saw the message.
        out_of_order: whether it was skipped because its stamp is no newer than an earlier one.
        reset: why a new history began before it, or None.
        frame: the message's image.
        warning: what is wrong with the camera, or "".
        error: why the message could not be used.
    """

    predictions: Tuple[Tuple[str, Prediction], ...] = ()
    events: Events = ()
    sampled: bool = False
    out_of_order: bool = False
    reset: Optional[str] = None
    frame: Optional[LazyFrame] = None
    warning: str = ""
    error: Optional[HarError] = None

    @property
    def people_in_view(self) -> int:
        """Number of people, -1 if they are not counted."""
        return -1

    def showing(self, track_id: str) -> Optional[Shown]:
        """What a lesson records of the image: a person, the nearest one for "", or the whole image."""
        return None if self.frame is None else ("", self.predictions[0][1] if self.predictions else None, self.frame)


class CameraPipelines:
    """A recognizer with a pipeline of each camera; subclasses process messages, while they hold `lock`.

    Attributes:
        recognizer: with the present head.
        teacher: what teaches it; None if it can't be taught, which `not_taught` explains.
        labels_people: whether labels are those of people.
    """

    labels_people = False

    def __init__(self, recognizer: Recognizer, settings: LabelNodeSettings, cameras: Mapping[str, Any]) -> None:
        """`cameras` are a LabelPipeline or PeoplePipeline for each."""
        self.recognizer = recognizer
        self.cameras = cameras
        self.lock = threading.Lock()
        self.teacher: Optional[Teacher] = None
        self.not_taught = ""
        self._stream = settings.stream

    @property
    def description(self) -> str:
        """One line about the model for the log."""
        recognizer = self.recognizer
        stream = recognizer.stream(**asdict(self._stream))
        return (
            f"{recognizer.spec.name} with {len(recognizer.labels)} classes on {recognizer.provider}; first label with "
            f"sampled frame {stream.status.silent_frames + 1}, after about {stream.silent_sec:.1f} s; "
            f"label delay {recognizer.spec.delay_sec:.1f} s; weights: {recognizer.source}"
        )

    @property
    def method(self) -> str:
        """The model's name, lookahead and label delay, for `vision_info`."""
        spec = self.recognizer.spec
        lookahead = f", lookahead {spec.lookahead}" if spec.is_continual else ""
        return f"{spec.name}{lookahead}, label delay {spec.delay_sec:.1f} s"

    def values(self, camera: str) -> Dict[str, str]:
        """What the diagnostics say of a camera besides its statistics."""
        raise NotImplementedError

    def change_filter(self, settings: LabelSettings) -> None:
        """Use other filter settings from the next prediction on."""
        with self.lock:
            for pipeline in self.cameras.values():
                pipeline.change_filter(settings)

    def change_head(self, head: Optional[Head]) -> Dict[str, Events]:
        """Use another head from the next frame on; returns the labels that end, by camera. Histories are kept."""
        with self.lock:
            self.recognizer = self.recognizer.with_head(head)
            return {name: self.events_of(pipeline.change_head(head)) for name, pipeline in self.cameras.items()}

    def reset(self) -> Dict[str, Events]:
        """Reset all streams; returns the labels that end, by camera."""
        with self.lock:
            return {name: self.events_of(pipeline.reset()) for name, pipeline in self.cameras.items()}

    @staticmethod
    def events_of(events: Sequence[Any]) -> Events:
        """The events of a camera's pipeline with their track ids."""
        return tuple(events)


def open_recognizer(settings: LabelNodeSettings) -> Recognizer:
    """Load the model that the settings name; raises ModelError."""
    model, path = settings.model, local_path(settings.model_name)
    return Recognizer.open(path, model.providers, model.threads or None, model.spin)


def overtaken(message: Arrived, other: Arrived) -> bool:
    """Whether `message` is slightly older than `other` but arrived after it."""
    return 0 < other[1] - message[1] <= LATE_WITHIN_NS
