"""The topics that labels go out on: some for each camera, some for the model."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, Header, String

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_ros.common.qos import LABELS, LATCHED, PICTURES
from opendr_har_ros.common.reused_image import ReusedImage
from opendr_har_ros.common.vision_messages import MessageFactory
from opendr_har_ros.recognizer.event_message import event_message


class CameraOutput:
    """Publishers of a managed node for one camera; silent until the node is active."""

    def __init__(self, node: Any, factory: MessageFactory, camera: str) -> None:
        """Topics are ~/..., or ~/CAMERA/... for a camera with a name."""
        self._node = node
        self._factory = factory
        self._camera = camera
        self._frame_id = ""
        self._provisional: Optional[bool] = None
        self._publishers: List[Any] = []
        self._picture = ReusedImage()
        try:
            self._open(factory)
        except Exception:
            self.close()
            raise

    def _open(self, factory: MessageFactory) -> None:
        self._classification = self._publisher(factory.classification_type, "classification", LABELS)
        self._hypothesis = self._publisher(factory.hypothesis_type, "hypothesis", LABELS)
        self._label = self._publisher(String, "label", LABELS)
        self._events = self._publisher(DiagnosticArray, "events", LABELS)
        self._annotated = self._publisher(Image, "image_annotated", PICTURES)
        self._is_provisional = self._publisher(Bool, "provisional", LATCHED)

    def _publisher(self, message_type: Any, topic: str, qos: Any) -> Any:
        name = f"~/{self._camera}/{topic}" if self._camera else f"~/{topic}"
        publisher = self._node.create_lifecycle_publisher(message_type, name, qos)
        self._publishers.append(publisher)
        return publisher

    @property
    def is_watched(self) -> bool:
        """Whether anybody subscribes to one of the topics."""
        return any(publisher.get_subscription_count() for publisher in self._publishers)

    @property
    def wants_pictures(self) -> bool:
        """Whether anybody looks at the annotated image."""
        return bool(self._annotated.get_subscription_count())

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = []

    def publish(self, prediction: Prediction, header: Any, class_id_format: str) -> None:
        """One prediction, with the header of its frame, on all label topics."""
        if prediction.provisional != self._provisional:  # before the label that it says something of
            self._provisional = prediction.provisional
            self._is_provisional.publish(Bool(data=prediction.provisional))
        self._classification.publish(self._factory.classification(prediction, header, class_id_format))
        self._hypothesis.publish(self._factory.hypothesis(prediction.top[0], class_id_format))
        self._label.publish(String(data=prediction.label))

    def publish_events(self, events: Sequence[LabelEvent], frame_id: Optional[str] = None) -> None:
        """What began and ended, under the coordinate frame of the image that showed it, by default the one before."""
        self._frame_id = self._frame_id if frame_id is None else frame_id
        for event in events:
            self._events.publish(event_message(event, self._frame_id, self._camera))

    def publish_picture(self, rgb: np.ndarray, header: Any) -> None:
        """An annotated uint8 (H, W, 3) RGB image with the header of its frame."""
        self._annotated.publish(self._picture.filled(rgb, header))


class ModelOutput:
    """What the model's class ids mean; stays available to late joiners."""

    def __init__(self, node: Any, factory: MessageFactory) -> None:
        self._node = node
        self._factory = factory
        self._vision_info = node.create_lifecycle_publisher(factory.vision_info_type, "~/vision_info", LATCHED)
        kind = factory.label_info_type
        self._label_info = node.create_lifecycle_publisher(kind, "~/label_info", LATCHED) if kind else None

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in (self._vision_info, self._label_info):
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, method: str, labels: LabelMap, threshold: float) -> None:
        """What the model is, its class names, and the threshold in use."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._vision_info.publish(self._factory.vision_info(header, method, labels))
        if self._label_info is not None:
            self._label_info.publish(self._factory.label_info(header, labels, threshold))
