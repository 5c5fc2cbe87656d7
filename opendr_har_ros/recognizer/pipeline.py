"""What happens to messages between their arrival and labels, free of ROS's machinery."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

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
from opendr_har_ros.common.images import frame_from_compressed, frame_from_image
from opendr_har_ros.recognizer.parameters import COMPRESSED, RecognizerSettings

ToFrame = Callable[[Any, int], LazyFrame]
Arrived = Tuple[Any, int]


@dataclass(frozen=True)
class Outcome:
    """What came of one message.

    Attributes:
        status: where the camera's stream stands now.
        prediction: filtered, if the message yielded one.
        events: labels that began and ended.
        frame: the message's image.
        warnings: kind and text of what people should know of.
        error: why the message could not be used.
    """

    status: StreamStatus
    prediction: Optional[Prediction] = None
    events: Tuple[LabelEvent, ...] = ()
    frame: Optional[LazyFrame] = None
    warnings: Tuple[Tuple[str, str], ...] = ()
    error: Optional[HarError] = None


class Pipeline:
    """All cameras of a node: messages -> frames -> one step for all that are sampled -> filters -> labels."""

    def __init__(self, recognizer: Recognizer, settings: RecognizerSettings) -> None:
        """All of the settings but the filter's stay as they are."""
        self.recognizer = recognizer
        self._to_frame: ToFrame = frame_from_compressed if settings.transport == COMPRESSED else frame_from_image
        self._cameras = {name: _labelling(recognizer, settings) for name in settings.cameras}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: RecognizerSettings) -> Pipeline:
        """With the model that the settings name; raises ModelError."""
        return cls(Recognizer.open(settings.model, settings.providers, settings.threads, settings.spin), settings)

    @property
    def description(self) -> str:
        """The model in a line for people."""
        recognizer = self.recognizer
        stream = next(iter(self._cameras.values())).stream
        return (
            f"{recognizer.spec.name} with {len(recognizer.labels)} classes on {recognizer.provider}; first label with "
            f"sampled frame {stream.status.silent_frames + 1}, after about {stream.silent_sec:.1f} s; "
            f"label delay {recognizer.spec.delay_sec:.1f} s; weights: {recognizer.source}"
        )

    @property
    def method(self) -> str:
        """The model for `vision_info`: its name, whether it waits for later frames, and how old its labels are."""
        spec = self.recognizer.spec
        lookahead = f", lookahead {spec.lookahead}" if spec.is_continual else ""
        return f"{spec.name}{lookahead}, label delay {spec.delay_sec:.1f} s"

    def status(self, camera: str) -> StreamStatus:
        """Where a camera's stream stands after its latest message."""
        return self._cameras[camera].stream.status

    def process(self, batch: Mapping[str, Arrived]) -> Dict[str, Outcome]:
        """What came of the messages of some cameras, each with its stamp in nanoseconds.

        A message that can't be read is an outcome with an error, and changes nothing. Raises BackendError.
        """
        with self._lock:
            frames: Dict[str, LazyFrame] = {}
            outcomes: Dict[str, Outcome] = {}
            for camera, (message, stamp_ns) in batch.items():
                try:
                    frames[camera] = self._to_frame(message, stamp_ns)
                except ImageError as error:
                    outcomes[camera] = self._failed(camera, error)
            return {**outcomes, **self._step(frames)}

    def _step(self, frames: Mapping[str, LazyFrame]) -> Dict[str, Outcome]:
        try:
            predictions = self.recognizer.push_many([(self._cameras[name].stream, frames[name]) for name in frames])
        except ImageError as error:
            if len(frames) == 1:
                return {camera: self._failed(camera, error) for camera in frames}
            # One of them can't be decoded, and nothing has happened: each by itself, then.
            return {name: outcome for item in frames.items() for name, outcome in self._step(dict([item])).items()}
        return {name: self._settled(name, frames[name], prediction) for name, prediction in zip(frames, predictions)}

    def _settled(self, camera: str, frame: LazyFrame, prediction: Optional[Prediction]) -> Outcome:
        labelling = self._cameras[camera]
        shown, events = labelling.settle(prediction, frame.stamp_ns)
        status = labelling.stream.status
        return Outcome(status, shown, events, frame, tuple(self._warnings(status)))

    def _failed(self, camera: str, error: HarError) -> Outcome:
        return Outcome(self.status(camera), error=error)

    def _warnings(self, status: StreamStatus) -> List[Tuple[str, str]]:
        warnings = []
        if status.reset:
            warnings.append(("reset", f"history forgotten: {status.reset}"))
        if status.slow_camera:
            rate = NANOSECONDS / self.recognizer.spec.period_ns
            warnings.append(("slow", f"the camera is slower than the model's {rate:.1f} Hz; labels may suffer"))
        return warnings

    def change_filter(self, settings: LabelSettings) -> None:
        """Use other filter settings from the next prediction on."""
        with self._lock:
            for labelling in self._cameras.values():
                labelling.change_filter(settings)

    def reset(self) -> Dict[str, Tuple[LabelEvent, ...]]:
        """Forget what was seen; what ends thereby, camera by camera."""
        with self._lock:
            return {name: labelling.reset() for name, labelling in self._cameras.items()}


def _labelling(recognizer: Recognizer, settings: RecognizerSettings) -> LabelPipeline:
    stream = recognizer.stream(
        settings.sampling,
        settings.max_gap_sec,
        top_k=1,  # the filter ranks anew
        warm_start=settings.warm_start,
        min_frames=settings.min_frames,
        aligned=len(settings.cameras) > 1,
    )
    return LabelPipeline(stream, settings.filter)


def stamp_of(header: Any, received_ns: int) -> int:
    """The header's stamp in nanoseconds; a driver that leaves it zero gets the time of arrival."""
    stamp_ns = int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)
    return stamp_ns or received_ns


def overtaken(message: Arrived, other: Arrived) -> bool:
    """Whether a message was taken shortly before the other one, and has come after it."""
    return 0 < other[1] - message[1] <= LATE_WITHIN_NS
