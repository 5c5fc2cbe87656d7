"""The recognizer's publishers of labels."""

from __future__ import annotations

from typing import Any, List, Optional

from std_msgs.msg import Bool, String

from opendr_har_core.prediction import Prediction
from opendr_har_ros.common.outputs import CameraOutput
from opendr_har_ros.common.qos import LABELS, LATCHED
from opendr_har_ros.common.vision_messages import Classification, ObjectHypothesis, classification, hypothesis

MESSAGES = {
    "classification": (Classification, LABELS),
    "hypothesis": (ObjectHypothesis, LABELS),
    "label": (String, LABELS),
    "activity": (Classification, LATCHED),
    "provisional": (Bool, LATCHED),
}


class LabelOutput(CameraOutput):
    """The publishers of one camera."""

    def __init__(self, node: Any, camera: str) -> None:
        super().__init__(node, camera, MESSAGES)
        self._provisional: Optional[bool] = None
        self._going_on: Optional[List[str]] = None  # class ids of the latest ~/activity

    def publish(self, prediction: Prediction, header: Any, class_id_format: str) -> None:
        """Publish one prediction, with the header of its frame, on all label topics."""
        if prediction.provisional != self._provisional:  # before the label that it describes
            self._provisional = prediction.provisional
            self.labels["provisional"].publish(Bool(data=prediction.provisional))
        best = hypothesis(prediction.top[0], class_id_format)
        for name, message in (  # unlike a count of subscribers, making and publishing a message takes time
            ("classification", lambda: classification(prediction, header, class_id_format)),
            ("hypothesis", lambda: best),
            ("label", lambda: String(data=prediction.label)),
        ):
            if self.labels[name].get_subscription_count():
                self.labels[name].publish(message())
        self._publish_activity(header, [best])

    def clear_activity(self) -> None:
        """Publish that it is not known what is going on, for lack of images or subscribers."""
        self._publish_activity(self.now(), [])

    def _publish_activity(self, header: Any, now: List[ObjectHypothesis]) -> None:
        ids = [item.class_id for item in now]
        if ids != self._going_on:
            self._going_on = ids
            self.labels["activity"].publish(Classification(header=header, results=now))
