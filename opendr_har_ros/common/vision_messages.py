"""Predictions as vision_msgs."""

from __future__ import annotations

import json
from typing import Any

from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Hypothesis, Prediction

try:
    from vision_msgs.msg import (
        BoundingBox2D,
        Classification,
        Detection2D,
        Detection2DArray,
        LabelInfo,
        ObjectHypothesis,
        ObjectHypothesisWithPose,
        VisionClass,
        VisionInfo,
    )
except ImportError as error:
    raise ConfigError(f"vision_msgs can't be imported ({error}); install ros-$ROS_DISTRO-vision-msgs") from None

__all__ = [
    "BoundingBox2D",
    "Classification",
    "Detection2D",
    "Detection2DArray",
    "LabelInfo",
    "ObjectHypothesis",
    "ObjectHypothesisWithPose",
    "VisionInfo",
    "class_id",
    "classification",
    "hypothesis",
    "label_info",
    "vision_info",
]

INDEX = "index"
MAX_CLASS_ID = 65535


def class_id(item: Any, class_id_format: str) -> str:
    """The class id of a Hypothesis or LabelEvent: the class's name, or its index if `class_id_format` is "index"."""
    return str(item.class_id if class_id_format == INDEX else item.label)


def hypothesis(item: Hypothesis, class_id_format: str) -> ObjectHypothesis:
    """An ObjectHypothesis with a class id of this format."""
    return ObjectHypothesis(class_id=class_id(item, class_id_format), score=float(item.score))


def classification(prediction: Prediction, header: Any, class_id_format: str) -> Classification:
    """A Classification with the frame's header and all hypotheses, best first."""
    return Classification(header=header, results=[hypothesis(item, class_id_format) for item in prediction.top])


def vision_info(header: Any, method: str, labels: LabelMap) -> VisionInfo:
    """A VisionInfo whose `database_location` is the JSON list of class names."""
    return VisionInfo(header=header, method=method, database_location=json.dumps(list(labels)))


def label_info(header: Any, labels: LabelMap, threshold: float) -> LabelInfo:
    """A LabelInfo with all classes that its 16-bit ids can hold."""
    classes = enumerate(labels.names[: MAX_CLASS_ID + 1])
    class_map = [VisionClass(class_id=class_id, class_name=name) for class_id, name in classes]
    return LabelInfo(header=header, class_map=class_map, threshold=float(threshold))
