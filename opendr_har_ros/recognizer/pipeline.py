"""Image messages to filtered labels, for all cameras of a node, independent of rclpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Sequence

from opendr_har_core.errors import HarError, ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.stream import StreamStatus
from opendr_har_ros.common.images import frame_from_message
from opendr_har_ros.common.node_settings import LabelNodeSettings
from opendr_har_ros.common.pipeline import Arrived, CameraPipelines, Events, Outcome, open_recognizer


@dataclass(frozen=True)
class ImageOutcome(Outcome):
    """An outcome, with the state of the camera's stream after the message."""

    status: Optional[StreamStatus] = None


class Pipeline(CameraPipelines):
    """Messages -> frames -> one batched step for all sampled frames -> filters -> labels."""

    def __init__(self, recognizer: Recognizer, settings: LabelNodeSettings) -> None:
        """Create a stream for each camera; of the settings only those of the labels can change later."""
        cameras = {name: _label_pipeline(recognizer, settings) for name in settings.node.cameras}
        super().__init__(recognizer, settings, cameras)
        self._transport = settings.node.transport

    @classmethod
    def open(cls, settings: LabelNodeSettings) -> Pipeline:
        """Load the model that the settings name; raises ModelError."""
        return cls(open_recognizer(settings), settings)

    def values(self, camera: str) -> Dict[str, str]:
        """The state of the camera's stream."""
        return {"stream": str(self.cameras[camera].stream.status)}

    def process(self, batch: Mapping[str, Arrived]) -> Dict[str, ImageOutcome]:
        """Process at most one message of each camera; returns an outcome for each. Raises BackendError.

        A message that can't be read yields an outcome with an error and leaves the stream unchanged.
        """
        with self.lock:
            frames: Dict[str, LazyFrame] = {}
            outcomes: Dict[str, ImageOutcome] = {}
            for camera, (message, stamp_ns) in batch.items():
                try:
                    frames[camera] = frame_from_message(message, self._transport, stamp_ns)
                except ImageError as error:
                    outcomes[camera] = self._failed(camera, error)
            return {**outcomes, **self._step(frames)}

    def _step(self, frames: Mapping[str, LazyFrame]) -> Dict[str, ImageOutcome]:
        try:
            predictions = self.recognizer.push_many([(self.cameras[name].stream, frames[name]) for name in frames])
        except ImageError as error:
            if len(frames) == 1:
                return {camera: self._failed(camera, error) for camera in frames}
            # One frame can't be decoded and no stream has advanced: step them one by one.
            return {name: outcome for item in frames.items() for name, outcome in self._step(dict([item])).items()}
        return {name: self._settled(name, frames[name], prediction) for name, prediction in zip(frames, predictions)}

    def _settled(self, camera: str, frame: LazyFrame, prediction: Optional[Prediction]) -> ImageOutcome:
        labels = self.cameras[camera]
        shown, events = labels.settle(prediction, frame.stamp_ns)
        status = labels.stream.status
        rate = NANOSECONDS / self.recognizer.spec.period_ns
        slow = f"the camera is slower than the model's {rate:.1f} Hz; labels may be wrong" if status.slow_camera else ""
        return ImageOutcome(
            () if shown is None else (("", shown),),
            self.events_of(events),
            status.sampled,
            status.out_of_order,
            status.reset,
            frame,
            slow,
            status=status,
        )

    @staticmethod
    def events_of(events: Sequence[LabelEvent]) -> Events:
        """Those of the whole image."""
        return tuple(("", event) for event in events)

    def _failed(self, camera: str, error: HarError) -> ImageOutcome:
        return ImageOutcome(error=error, status=self.cameras[camera].stream.status)


def _label_pipeline(recognizer: Recognizer, settings: LabelNodeSettings) -> LabelPipeline:
    stream = recognizer.stream(
        settings.stream.sampling,
        settings.stream.max_gap_sec,
        top_k=1,  # the filter ranks the scores again
        warm_start=settings.stream.warm_start,
        min_frames=settings.stream.min_frames,
        aligned=len(settings.node.cameras) > 1,
    )
    return LabelPipeline(stream, settings.labels)
