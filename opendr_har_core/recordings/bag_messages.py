"""Labels as a recognizer node publishes them, as messages of rosbags, for any ROS 2 distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.recordings.bag_writer import LATEST_VERSION, VERSION_BEFORE_JAZZY, Version
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

FOXY = "foxy"
DISTRIBUTIONS = (FOXY, "humble", "jazzy", "kilted")
NAME, INDEX = "name", "index"
CLASS_ID_FORMATS = (NAME, INDEX)
STRING, BOOL, EVENTS = "std_msgs/msg/String", "std_msgs/msg/Bool", "diagnostic_msgs/msg/DiagnosticArray"
HYPOTHESIS = "vision_msgs/msg/ObjectHypothesis"
# vision_msgs 4.1, and 2.0 as Foxy has it: rosbags knows neither.
CLASSIFICATION, CLASSIFICATION_ON_FOXY = "vision_msgs/msg/Classification", "vision_msgs/msg/Classification2D"
DEFINITIONS = {
    HYPOTHESIS: "string class_id\nfloat64 score\n",
    CLASSIFICATION: "std_msgs/Header header\nObjectHypothesis[] results\n",
}
DEFINITIONS_ON_FOXY = {
    HYPOTHESIS: "string id\nfloat64 score\n",
    CLASSIFICATION_ON_FOXY: "std_msgs/Header header\nObjectHypothesis[] results\nsensor_msgs/Image source_img\n",
}
OK = 0


class LabelMessages:
    """Makes messages of one distribution; `header` is a std_msgs/Header of `self.header`."""

    def __init__(self, distribution: str, class_id_format: str) -> None:
        """Raises ConfigError for a distribution or format that is not among those above."""
        for name, value, known in (
            ("distribution", distribution, DISTRIBUTIONS),
            ("class_id_format", class_id_format, CLASS_ID_FORMATS),
        ):
            if value not in known:
                raise ConfigError(f"{name} is {value!r}, expected one of {known}")
        self._is_foxy = distribution == FOXY
        self._format = class_id_format
        self.version: Version = VERSION_BEFORE_JAZZY if distribution in (FOXY, "humble") else LATEST_VERSION
        self.classification_type = CLASSIFICATION_ON_FOXY if self._is_foxy else CLASSIFICATION
        self.store = _typestore(distribution)
        self._types: Any = self.store.types

    def topics(self) -> Dict[str, str]:
        """The type of each topic, by the name that a node gives it below its own."""
        return {
            "classification": self.classification_type,
            "hypothesis": HYPOTHESIS,
            "label": STRING,
            "events": EVENTS,
            "provisional": BOOL,
        }

    def header(self, stamp: Tuple[int, int], frame_id: str) -> Any:
        """A std_msgs/Header of (seconds, nanoseconds)."""
        return self._types["std_msgs/msg/Header"](self._types["builtin_interfaces/msg/Time"](*stamp), frame_id)

    def labels(self, prediction: Prediction, header: Any) -> Dict[str, Any]:
        """What one prediction says on each topic, with the header of its image."""
        results = [self._hypothesis(item) for item in prediction.top]
        rest = (self._no_image(),) if self._is_foxy else ()
        return {
            "classification": self._types[self.classification_type](header, results, *rest),
            "hypothesis": results[0],
            "label": self._types[STRING](prediction.label),
        }

    def provisional(self, prediction: Prediction) -> Any:
        """Whether labels from here on are provisional."""
        return self._types[BOOL](prediction.provisional)

    def event(self, event: LabelEvent, frame_id: str) -> Any:
        """An event as a DiagnosticArray of one status."""
        key_value = self._types["diagnostic_msgs/msg/KeyValue"]
        values = [key_value(name, value) for name, value in event.values().items()]
        status = self._types["diagnostic_msgs/msg/DiagnosticStatus"](OK, event.label, event.kind, "", values)
        return self._types[EVENTS](self.header(divmod(event.stamp_ns, NANOSECONDS), frame_id), [status])

    def _hypothesis(self, item: Hypothesis) -> Any:
        class_id = item.label if self._format == NAME else str(item.class_id)
        return self._types[HYPOTHESIS](class_id, float(item.score))

    def _no_image(self) -> Any:
        import numpy as np

        return self._types["sensor_msgs/msg/Image"](self.header((0, 0), ""), 0, 0, "", 0, 0, np.zeros(0, np.uint8))


def _typestore(distribution: str) -> Typestore:
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError:
        raise ConfigError("bags are written with the package rosbags: pip install 'opendr_har_ros[bags]'") from None
    # The few standard messages used here are the same in all distributions; an old rosbags does not know the new ones.
    store = get_typestore(getattr(Stores, f"ROS2_{distribution.upper()}", Stores.LATEST))
    for name, definition in (DEFINITIONS_ON_FOXY if distribution == FOXY else DEFINITIONS).items():
        store.register(get_types_from_msg(definition, name))
    return store
