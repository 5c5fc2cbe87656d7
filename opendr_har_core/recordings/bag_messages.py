"""The messages of a recognizer node as messages of rosbags, for any supported ROS 2 distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.recordings.bag_writer import LATEST_VERSION, VERSION_BEFORE_JAZZY, Version
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

DISTRIBUTIONS = ("humble", "jazzy", "kilted", "lyrical")
NAME, INDEX = "name", "index"
CLASS_ID_FORMATS = (NAME, INDEX)
STRING, BOOL, EVENTS = "std_msgs/msg/String", "std_msgs/msg/Bool", "diagnostic_msgs/msg/DiagnosticArray"
HYPOTHESIS, CLASSIFICATION = "vision_msgs/msg/ObjectHypothesis", "vision_msgs/msg/Classification"
# vision_msgs 4.1, which rosbags does not bring.
DEFINITIONS = {
    HYPOTHESIS: "string class_id\nfloat64 score\n",
    CLASSIFICATION: "std_msgs/Header header\nObjectHypothesis[] results\n",
}
# The type of each topic, by its name below the node's.
TOPICS = {
    "classification": CLASSIFICATION,
    "hypothesis": HYPOTHESIS,
    "label": STRING,
    "events": EVENTS,
    "provisional": BOOL,
}
OK = 0


class LabelMessages:
    """Makes the messages of one distribution.

    Attributes:
        version: version of a bag's metadata that the distribution reads.
        store: the types.
    """

    def __init__(self, distribution: str, class_id_format: str) -> None:
        """Raises ConfigError for an unknown distribution or format, or without rosbags."""
        for name, value, known in (
            ("distribution", distribution, DISTRIBUTIONS),
            ("class_id_format", class_id_format, CLASS_ID_FORMATS),
        ):
            if value not in known:
                raise ConfigError(f"{name} is {value!r}, expected one of {known}")
        self._format = class_id_format
        self.version: Version = VERSION_BEFORE_JAZZY if distribution == "humble" else LATEST_VERSION
        self.store = _typestore(distribution)
        self._types: Any = self.store.types

    def header(self, stamp: Tuple[int, int], frame_id: str) -> Any:
        """A std_msgs/Header of (seconds, nanoseconds)."""
        return self._types["std_msgs/msg/Header"](self._types["builtin_interfaces/msg/Time"](*stamp), frame_id)

    def labels(self, prediction: Prediction, header: Any) -> Dict[str, Any]:
        """The messages of one prediction, by topic, with the header of its image."""
        results = [self._hypothesis(item) for item in prediction.top]
        return {
            "classification": self._types[CLASSIFICATION](header, results),
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


def _typestore(distribution: str) -> Typestore:
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError:
        raise ConfigError("bags are written with the package rosbags: pip install 'opendr_har_ros[bags]'") from None
    # The few standard messages used here are the same in all distributions; an older rosbags lacks the newest ones.
    store = get_typestore(getattr(Stores, f"ROS2_{distribution.upper()}", Stores.LATEST))
    for name, definition in DEFINITIONS.items():
        store.register(get_types_from_msg(definition, name))
    return store
