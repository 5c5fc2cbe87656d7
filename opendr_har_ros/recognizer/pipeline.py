"""Image messages to filtered labels, for all cameras of a node, independent of rclpy."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from opendr_har_core.errors import HarError, ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.sampling import LATE_WITHIN_NS
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.streaming.stream import StreamStatus
from opendr_har_ros.common.images import frame_from_message
from opendr_har_ros.common.parameters import local_path
from opendr_har_ros.recognizer.parameters import RecognizerSettings

# A message and its stamp in nanoseconds.
Arrived = Tuple[Any, int]


@dataclass(frozen=True)
class Outcome:
    """The result of processing one message.

    Attributes:
        status: the state of the camera's stream.
        prediction: the filtered prediction, if the message yielded one.
        events: labels that began and ended.
        frame: the message's image.
        warning: what is wrong with the camera, or "".
        error: why the message could not be used.
    """

    status: StreamStatus
    prediction: Optional[Prediction] = None
    events: Tuple[LabelEvent, ...] = ()
    frame: Optional[LazyFrame] = None
    warning: str = ""
    error: Optional[HarError] = None


class Pipeline:
    """Messages -> frames -> one batched step for all sampled frames -> filters -> labels."""

    def __init__(self, recognizer: Recognizer, settings: RecognizerSettings) -> None:
        """Create a stream for each camera; of the settings only those of the labels can change later."""
        self.recognizer = recognizer
        self._transport = settings.node.transport
        self._cameras = {name: _label_pipeline(recognizer, settings) for name in settings.node.cameras}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: RecognizerSettings) -> Pipeline:
        """Load the model that the settings name; raises ModelError."""
        model, path = settings.model, local_path(settings.model_name)
        return cls(Recognizer.open(path, model.providers, model.threads or None, model.spin), settings)

    @property
    def description(self) -> str:
        """One line about the model for the log."""
        recognizer = self.recognizer
        stream = next(iter(self._cameras.values())).stream
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

    def status(self, camera: str) -> StreamStatus:
        """The state of a camera's stream after its latest message."""
        return self._cameras[camera].stream.status

    def process(self, batch: Mapping[str, Arrived]) -> Dict[str, Outcome]:
        """Process at most one message of each camera; returns an outcome for each. Raises BackendError.

        A message that can't be read yields an outcome with an error and leaves the stream unchanged.
        """
        with self._lock:
            frames: Dict[str, LazyFrame] = {}
            outcomes: Dict[str, Outcome] = {}
            for camera, (message, stamp_ns) in batch.items():
                try:
                    frames[camera] = frame_from_message(message, self._transport, stamp_ns)
                except ImageError as error:
                    outcomes[camera] = self._failed(camera, error)
            return {**outcomes, **self._step(frames)}

    def _step(self, frames: Mapping[str, LazyFrame]) -> Dict[str, Outcome]:
        try:
            predictions = self.recognizer.push_many([(self._cameras[name].stream, frames[name]) for name in frames])
        except ImageError as error:
            if len(frames) == 1:
                return {camera: self._failed(camera, error) for camera in frames}
            # One frame can't be decoded and no stream has advanced: step them one by one.
            return {name: outcome for item in frames.items() for name, outcome in self._step(dict([item])).items()}
        return {name: self._settled(name, frames[name], prediction) for name, prediction in zip(frames, predictions)}

    def _settled(self, camera: str, frame: LazyFrame, prediction: Optional[Prediction]) -> Outcome:
        labels = self._cameras[camera]
        shown, events = labels.settle(prediction, frame.stamp_ns)
        status = labels.stream.status
        rate = NANOSECONDS / self.recognizer.spec.period_ns
        slow = f"the camera is slower than the model's {rate:.1f} Hz; labels may be wrong" if status.slow_camera else ""
        return Outcome(status, shown, events, frame, slow)

    def _failed(self, camera: str, error: HarError) -> Outcome:
        return Outcome(self.status(camera), error=error)

    def change_filter(self, settings: LabelSettings) -> None:
        """Use other filter settings from the next prediction on."""
        with self._lock:
            for labels in self._cameras.values():
                labels.change_filter(settings)

    def reset(self) -> Dict[str, Tuple[LabelEvent, ...]]:
        """Reset all streams; returns the labels that end, by camera."""
        with self._lock:
            return {name: labels.reset() for name, labels in self._cameras.items()}


def _label_pipeline(recognizer: Recognizer, settings: RecognizerSettings) -> LabelPipeline:
    stream = recognizer.stream(
        settings.stream.sampling,
        settings.stream.max_gap_sec,
        top_k=1,  # the filter ranks the scores again
        warm_start=settings.stream.warm_start,
        min_frames=settings.stream.min_frames,
        aligned=len(settings.node.cameras) > 1,
    )
    return LabelPipeline(stream, settings.labels)


def overtaken(message: Arrived, other: Arrived) -> bool:
    """Whether `message` is slightly older than `other` but arrived after it."""
    return 0 < other[1] - message[1] <= LATE_WITHIN_NS
