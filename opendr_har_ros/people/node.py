"""The node `people`: a lifecycle node that labels each person in the images of one or more cameras."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from opendr_har_ros.common.label_node import LabelNode
from opendr_har_ros.common.pipeline import Arrived, Outcome, overtaken
from opendr_har_ros.common.worker import NewestFirstWorker
from opendr_har_ros.people.camera import PeopleCamera
from opendr_har_ros.people.parameters import PEOPLE, AllSettings
from opendr_har_ros.people.pipeline import PeoplePipelines

# Images of a camera that can wait.
BACKLOG = 2


class PeopleNode(LabelNode):
    """Subscribes to image_raw and, if wanted, detections; publishes ~/people, ~/events and ~/image_annotated."""

    parameters = PEOPLE
    settings_type = AllSettings
    cameras: Dict[str, PeopleCamera]

    def __init__(self, node_name: str = "people", **options: Any) -> None:
        """See `LabelNode`."""
        super().__init__(node_name, **options)

    def open_pipeline(self, settings: AllSettings) -> PeoplePipelines:
        """See `LabelNode`."""
        return PeoplePipelines.open(settings)

    def make_camera(self, name: str, settings: AllSettings) -> PeopleCamera:
        """See `LabelNode`."""
        return PeopleCamera(self, name, settings.node, self.wake)

    def make_worker(self, settings: AllSettings) -> NewestFirstWorker:
        """A worker that also looks for images whose detections have come."""
        # An image in which people are detected takes longer than a camera's interval; those of the people who are
        # sampled next wait for it, instead of sharing the image that follows.
        return NewestFirstWorker(
            self.handle_batch, self.on_work_error, is_late=overtaken, due_sec=self._due_sec, slots=BACKLOG
        )

    def process(self, pipeline: PeoplePipelines, batch: Mapping[str, Arrived]) -> Iterator[Tuple[str, Any, Outcome]]:
        """The worker's images and, of each camera, one that has waited for its detections."""
        for name, (message, stamp_ns) in batch.items():
            yield name, message, pipeline.push(name, message, stamp_ns, None)
        for name, camera in self.cameras.items():
            camera.drop_old()
            if camera.matcher is not None and camera.due_sec() == 0:
                ready = camera.matcher.take()
                if ready is not None:
                    yield name, ready.message, pipeline.push(name, *ready)

    def _due_sec(self) -> Optional[float]:
        due = [camera.due_sec() for camera in self.cameras.values()]
        return min((seconds for seconds in due if seconds is not None), default=None)
