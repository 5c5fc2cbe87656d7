"""One camera of the node `people`: labels for each person, and the detections of another node."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from opendr_har_core.frame import LazyFrame
from opendr_har_core.media.annotate import annotate
from opendr_har_core.people.pipeline import People
from opendr_har_ros.common.camera import Camera
from opendr_har_ros.common.diagnostics import RUNNING
from opendr_har_ros.common.images import stamp_of
from opendr_har_ros.common.outputs import CameraOutput
from opendr_har_ros.common.qos import LABELS
from opendr_har_ros.common.vision_messages import Detection2DArray
from opendr_har_ros.common.worker import NewestFirstWorker
from opendr_har_ros.people.matching import StampMatcher
from opendr_har_ros.people.messages import PeopleMessages, detections_from_message
from opendr_har_ros.people.parameters import TOPIC, PeopleNodeSettings
from opendr_har_ros.people.pipeline import PeopleOutcome

# Best effort matches every publisher.
DETECTIONS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
SILENT_SEC = 1.0
MANY_IN_A_ROW = 5


class PeopleCamera(Camera):
    """A camera whose people have labels; their streams are in the pipeline.

    Attributes:
        matcher: images that wait for detections; None with the packaged detector.
    """

    def __init__(self, node: Any, name: str, settings: PeopleNodeSettings, changed: Callable[[], None]) -> None:
        """`changed` is called when detections have arrived."""
        super().__init__(node, name)
        self.output = CameraOutput(node, name, {"people": (Detection2DArray, LABELS)})
        self._settings = settings
        self._changed = changed
        self._messages = PeopleMessages()
        self.matcher: Optional[StampMatcher] = None
        self._detections: Optional[Any] = None
        self._rejected = 0

    def subscribe(self, settings: Any, callback: Callable[[Camera, Any], None]) -> None:
        """Subscribe to the images and, if another node finds the people, to its detections."""
        self._rejected = 0
        if settings.detector == TOPIC:
            self.matcher = StampMatcher(settings.detections_wait_sec)
            topic = "/".join(filter(None, (self.name, "detections")))
            self._detections = self._node.create_subscription(Detection2DArray, topic, self._on_detections, DETECTIONS)
        super().subscribe(settings, callback)

    def unsubscribe(self) -> None:
        """Unsubscribe."""
        super().unsubscribe()
        if self._detections is not None:
            self._node.destroy_subscription(self._detections)
            self._detections = None

    def offer(self, message: Any, stamp_ns: int, worker: NewestFirstWorker) -> bool:
        """Hand an image to the worker, or let it wait for its detections."""
        if self.matcher is None:
            return super().offer(message, stamp_ns, worker)
        is_dropped = self.matcher.add_image(message, stamp_ns, time.monotonic())
        worker.wake()
        return is_dropped

    def flush(self) -> None:
        """Drop images that wait for detections."""
        if self.matcher is not None:
            self._count_dropped(self.matcher.flush())

    def due_sec(self) -> Optional[float]:
        """Seconds until an image need not wait for detections any longer, None without images."""
        return None if self.matcher is None else self.matcher.due_sec(time.monotonic())

    def drop_old(self) -> None:
        """Drop images for which there is no time."""
        if self.matcher is not None:
            self._count_dropped(self.matcher.drop_old(time.monotonic()))

    def publish(self, outcome: PeopleOutcome, header: Any, class_id_format: str) -> Optional[int]:
        """Publish the people of an image that was not skipped."""
        if outcome.people is None or outcome.out_of_order:
            return None
        publisher = self.output.labels["people"]
        if publisher.get_subscription_count():
            publisher.publish(self._messages.message(outcome.people.people, header, class_id_format))
        return outcome.frame.stamp_ns if outcome.frame is not None else None

    def picture(self, outcome: PeopleOutcome, frame: LazyFrame, lines: List[str]) -> np.ndarray:
        """The image with the box, track id and label of each person."""
        people = outcome.people or People(())
        boxes = [(person.box, person.title) for person in people.people]
        return annotate(frame.rgb, None, lines, boxes)

    def advice(self) -> str:
        """What is wrong with the detections, or ""."""
        if self.matcher is None or self._detections is None or self._phase != RUNNING:
            return ""
        counts, topic = self.matcher.counts(time.monotonic()), self._detections.topic_name
        if counts.silent_sec is None:
            return f"no detections have arrived on {topic}: start the detector, or remap detections to its topic"
        if counts.silent_sec > SILENT_SEC:
            return f"no detections for {counts.silent_sec:.0f} s on {topic}: check the detector"
        if counts.in_a_row < MANY_IN_A_ROW:
            return ""
        if counts.late >= counts.unmatched:
            wait = self._settings.detections_wait_sec
            return (
                f"detections arrive {counts.late_sec:.2f} s after their images, which wait {wait:.2f} s: use a faster "
                f"detector or set detections_wait_sec"
            )
        return f"the stamps of the last {counts.in_a_row} detections are those of no image: copy the image's header"

    def values(self) -> Dict[str, str]:
        """Counts of detections, for the diagnostics."""
        if self.matcher is None:
            return {}
        counts = self.matcher.counts(time.monotonic())
        return {
            "detections received": str(counts.received),
            "detections matched": str(counts.matched),
            "detections late": str(counts.late),
            "detections unmatched": str(counts.unmatched),
            "boxes rejected": str(self._rejected),
        }

    def _on_detections(self, message: Any) -> None:
        if self.matcher is None or self._phase != RUNNING:
            return
        found, rejected = detections_from_message(message, self._settings.person_class)
        self._rejected += rejected
        if rejected:
            self.warn("boxes", f"{rejected} of {len(message.detections)} boxes are not usable: not finite, empty, huge")
        self.matcher.add_detections(found, stamp_of(message.header), time.monotonic())
        self._changed()

    def _count_dropped(self, count: int) -> None:
        for _ in range(count):
            self.statistics.dropped()
