"""Publishers: events and annotated images of each camera, descriptions of the model."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from opendr_har_core.labels import LabelMap
from opendr_har_ros.common.har_messages import ActivityEvent, activity_event
from opendr_har_ros.common.images import ReusedImage, jpeg_message
from opendr_har_ros.common.pipeline import Events
from opendr_har_ros.common.qos import COMPRESSED, LABELS, LATCHED, RAW, image_topic
from opendr_har_ros.common.vision_messages import LabelInfo, VisionInfo, label_info, vision_info

# Reliable publishers match every viewer; a slow viewer misses images.
JPEG_QUALITY = 80
ANNOTATED = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)


class CameraOutput:
    """Lifecycle publishers for one camera; they publish only while the node is active."""

    def __init__(self, node: Any, camera: str, messages: Dict[str, Tuple[Any, Any]]) -> None:
        """Topics are ~/..., or ~/CAMERA/... for a named camera; `messages` has type and QoS of those with labels."""
        self._node = node
        self._camera = camera
        self._frame_id = ""
        self._publishers: List[Any] = []
        self._image = ReusedImage()
        try:
            self.labels = {name: self._publisher(kind, name, qos) for name, (kind, qos) in messages.items()}
            self._events = self._publisher(ActivityEvent, "events", LABELS) if ActivityEvent else None
            self._annotated = self._publisher(Image, "image_annotated", ANNOTATED)
            self._compressed = self._publisher(CompressedImage, "image_annotated", ANNOTATED, COMPRESSED)
        except Exception:
            self.close()
            raise

    def _publisher(self, message_type: Any, topic: str, qos: Any, transport: str = RAW) -> Any:
        name = image_topic(self._node, f"~/{self._camera}/{topic}" if self._camera else f"~/{topic}", transport)
        publisher = self._node.create_lifecycle_publisher(message_type, name, qos)
        self._publishers.append(publisher)
        return publisher

    @property
    def topics(self) -> List[str]:
        """Full names of the topics after remapping, the classification's first."""
        return [publisher.topic_name for publisher in self._publishers]

    @property
    def is_watched(self) -> bool:
        """Whether any of the topics has a subscriber."""
        return any(publisher.get_subscription_count() for publisher in self._publishers)

    @property
    def wants_images(self) -> bool:
        """Whether the annotated image has a subscriber, raw or compressed."""
        return bool(self._annotated.get_subscription_count() or self._compressed.get_subscription_count())

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = []

    def publish_events(self, events: Events, class_id_format: str, frame_id: Optional[str] = None) -> None:
        """Publish labels that began or ended; `frame_id` is that of the image, by default that of the previous one."""
        self._frame_id = self._frame_id if frame_id is None else frame_id
        for track_id, event in events if self._events else ():
            self._events.publish(activity_event(event, class_id_format, self._frame_id, track_id))

    def now(self) -> Header:
        """A header with the current time and the latest image's frame."""
        return Header(stamp=self._node.get_clock().now().to_msg(), frame_id=self._frame_id)

    def publish_image(self, rgb: np.ndarray, header: Any) -> None:
        """Publish an annotated uint8 (H, W, 3) image with the header of its frame, as its subscribers want it.

        Raises ImageError for an image that JPEG can't represent.
        """
        if self._annotated.get_subscription_count():
            self._annotated.publish(self._image.filled(rgb, header))
        if self._compressed.get_subscription_count():
            self._compressed.publish(jpeg_message(rgb, header, JPEG_QUALITY))


class ModelOutput:
    """Latched publishers that describe the model and its class ids."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._vision_info = node.create_lifecycle_publisher(VisionInfo, "~/vision_info", LATCHED)
        self._label_info = node.create_lifecycle_publisher(LabelInfo, "~/label_info", LATCHED)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._vision_info, self._label_info):
            self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, method: str, labels: LabelMap, threshold: float) -> None:
        """Publish the model's description, its class names, and the threshold in use."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._vision_info.publish(vision_info(header, method, labels))
        self._label_info.publish(label_info(header, labels, threshold))
