"""The topics that labels go out on."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header, String

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_ros.messages import MessageFactory
from opendr_har_ros.qos import LABELS, LATCHED


class LabelOutput:
    """Publishers of a managed node; silent until the node is active."""

    def __init__(self, node: Any, factory: MessageFactory) -> None:
        self._node = node
        self._factory = factory

        def publisher(message_type: Any, topic: str, qos: Any) -> Any:
            return node.create_lifecycle_publisher(message_type, f"~/{topic}", qos)

        self._classification = publisher(factory.classification_type, "classification", LABELS)
        self._hypothesis = publisher(factory.hypothesis_type, "hypothesis", LABELS)
        self._label = publisher(String, "label", LABELS)
        self._vision_info = publisher(factory.vision_info_type, "vision_info", LATCHED)
        self._label_info = (
            publisher(factory.label_info_type, "label_info", LATCHED) if factory.label_info_type else None
        )

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in (self._classification, self._hypothesis, self._label, self._vision_info, self._label_info):
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, prediction: Prediction, header: Any, class_id_format: str) -> None:
        """One prediction, with the header of its frame, on all label topics."""
        self._classification.publish(self._factory.classification(prediction, header, class_id_format))
        self._hypothesis.publish(self._factory.hypothesis(prediction.top[0], class_id_format))
        self._label.publish(String(data=prediction.label))

    def publish_labels(self, method: str, labels: LabelMap, threshold: float) -> None:
        """What the class ids mean; stays available to late joiners."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._vision_info.publish(self._factory.vision_info(header, method, labels))
        if self._label_info is not None:
            self._label_info.publish(self._factory.label_info(header, labels, threshold))
