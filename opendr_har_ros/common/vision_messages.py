"""Predictions as vision_msgs; the one place that knows how the messages differ between distributions.

Foxy's ObjectHypothesis has `id` and its classification is Classification2D; since Galactic they are `class_id` and
Classification. LabelInfo exists since vision_msgs 4.1.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, Optional

from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Hypothesis, Prediction

NAME, INDEX = "name", "index"
CLASS_ID_FORMATS = (NAME, INDEX)
MAX_CLASS_ID = 65535


class MessageFactory:
    """Makes the messages of the vision_msgs that is installed."""

    def __init__(self, vision_msgs: Optional[ModuleType] = None) -> None:
        """`vision_msgs` is the module vision_msgs.msg; by default it is imported. Raises ConfigError without it."""
        module: Any = vision_msgs or _import_vision_msgs()
        self.hypothesis_type = module.ObjectHypothesis
        self.classification_type = getattr(module, "Classification", None) or module.Classification2D
        self.vision_info_type = module.VisionInfo
        self.label_info_type = getattr(module, "LabelInfo", None)
        self._vision_class_type = getattr(module, "VisionClass", None)

    def hypothesis(self, item: Hypothesis, class_id_format: str) -> Any:
        """ObjectHypothesis with the class's name or number as a string."""
        message = self.hypothesis_type()
        class_id = item.label if class_id_format == NAME else str(item.class_id)
        setattr(message, "class_id" if hasattr(message, "class_id") else "id", class_id)
        message.score = float(item.score)
        return message

    def classification(self, prediction: Prediction, header: Any, class_id_format: str) -> Any:
        """Classification with the frame's header and all hypotheses, best first."""
        message = self.classification_type()
        message.header = header
        message.results = [self.hypothesis(item, class_id_format) for item in prediction.top]
        return message

    def vision_info(self, header: Any, method: str, labels: LabelMap) -> Any:
        """VisionInfo whose database is the JSON list of class names itself, so that nobody has to look it up."""
        message = self.vision_info_type()
        message.header = header
        message.method = method
        message.database_location = json.dumps(list(labels))
        return message

    def label_info(self, header: Any, labels: LabelMap, threshold: float) -> Any:
        """LabelInfo with every class; None where the distribution has no such message."""
        if self.label_info_type is None or self._vision_class_type is None:
            return None
        message = self.label_info_type()
        message.header = header
        message.threshold = float(threshold)
        for class_id, name in enumerate(labels.names[: MAX_CLASS_ID + 1]):
            entry = self._vision_class_type()
            entry.class_id, entry.class_name = class_id, name
            message.class_map.append(entry)
        return message


def class_name(message: Any) -> str:
    """The class of an ObjectHypothesis of any distribution."""
    return str(getattr(message, "class_id", None) or getattr(message, "id", ""))


def _import_vision_msgs() -> ModuleType:
    try:
        import vision_msgs.msg
    except ImportError as error:
        raise ConfigError(f"vision_msgs can't be imported ({error}); install ros-<distribution>-vision-msgs") from None
    return vision_msgs.msg
