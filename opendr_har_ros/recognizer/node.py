"""The recognizer node: a lifecycle node that turns camera topics into activity labels."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Tuple

from opendr_har_ros.common.label_node import LabelNode
from opendr_har_ros.common.pipeline import Arrived, Outcome, overtaken
from opendr_har_ros.common.worker import NewestFirstWorker
from opendr_har_ros.recognizer.camera import ImageCamera
from opendr_har_ros.recognizer.parameters import RECOGNIZER
from opendr_har_ros.recognizer.pipeline import Pipeline


class RecognizerNode(LabelNode):
    """Subscribes to image_raw, publishes ~/classification, ~/hypothesis, ~/label and related topics."""

    parameters = RECOGNIZER

    def __init__(self, node_name: str = "recognizer", **options: Any) -> None:
        """See `LabelNode`."""
        super().__init__(node_name, **options)

    def open_pipeline(self, settings: Any) -> Pipeline:
        """See `LabelNode`."""
        return Pipeline.open(settings)

    def make_camera(self, name: str, settings: Any) -> ImageCamera:
        """See `LabelNode`."""
        return ImageCamera(self, name)

    def make_worker(self, settings: Any) -> NewestFirstWorker:
        """A worker that waits for the images of all cameras, to step them in one batch."""
        return NewestFirstWorker(self.handle_batch, self.on_work_error, settings.node.batch_wait_sec, overtaken)

    def apply_live(self, worker: NewestFirstWorker, settings: Any) -> None:
        """See `LabelNode`."""
        worker.wait_sec = settings.node.batch_wait_sec

    def process(self, pipeline: Pipeline, batch: Mapping[str, Arrived]) -> Iterable[Tuple[str, Any, Outcome]]:
        """See `LabelNode`."""
        return [(name, batch[name][0], outcome) for name, outcome in pipeline.process(batch).items()]
