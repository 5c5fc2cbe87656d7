"""Writes what a recognizer or people node publishes as a rosbag2, for any supported ROS 2 distribution."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from opendr_har_core.errors import ConfigError, DataError, HarError
from opendr_har_core.people.pipeline import Person
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import publish_folder
from opendr_har_core.streaming.events import BEGAN, LabelEvent

if TYPE_CHECKING:
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore

MCAP, SQLITE3 = "mcap", "sqlite3"
DISTRIBUTIONS = ("humble", "jazzy", "kilted", "lyrical")
STRING, BOOL, EVENT = "std_msgs/msg/String", "std_msgs/msg/Bool", "opendr_har_msgs/msg/ActivityEvent"
HYPOTHESIS, CLASSIFICATION = "vision_msgs/msg/ObjectHypothesis", "vision_msgs/msg/Classification"
RESULT, POINT, POSE = (f"vision_msgs/msg/{name}" for name in ("ObjectHypothesisWithPose", "Point2D", "Pose2D"))
BOX, DETECTION, DETECTIONS = (
    f"vision_msgs/msg/{name}" for name in ("BoundingBox2D", "Detection2D", "Detection2DArray")
)
# vision_msgs 4.1 and opendr_har_msgs, which rosbags does not bring.
DEFINITIONS = {
    HYPOTHESIS: "string class_id\nfloat64 score\n",
    CLASSIFICATION: "std_msgs/Header header\nObjectHypothesis[] results\n",
    RESULT: "ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n",
    POINT: "float64 x\nfloat64 y\n",
    POSE: "Point2D position\nfloat64 theta\n",
    BOX: "Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    DETECTION: "std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\nstring id\n",
    DETECTIONS: "std_msgs/Header header\nDetection2D[] detections\n",
    EVENT: "std_msgs/Header header\nstring track_id\nstring class_id\nfloat64 score\nuint8 BEGAN=0\nuint8 ENDED=1\n"
    "uint8 kind\nbuiltin_interfaces/Time begin\nbuiltin_interfaces/Duration duration\n",
}


def storage_of(path: Path) -> str:
    """Storage of an existing bag, a folder or its one file: MCAP or SQLITE3."""
    names = [path.name] if path.is_file() else [file.name for file in path.iterdir()]
    return MCAP if any(".mcap" in name for name in names) else SQLITE3


# What the metadata of a bag of labels says about the recording that they are of.
RECORDING, START_NS, END_NS, RECORDED_NS = (
    f"opendr_har_{name}" for name in ("recording", "start_ns", "end_ns", "recorded_ns")
)


@contextmanager
def new_bag(path: Path, storage: str, distribution: str) -> Iterator[Writer]:
    """Yield a writer of a bag that becomes `path` at the end; an error or an interruption removes it.

    Raises ConfigError when `path` exists, DataError when it can't be written.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    check_is_new(path)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise DataError(f"the bag {path} can't be written: {error}") from None
    try:
        # The files in a bag are named after it: write it under its own name, in a folder next to it.
        unfinished = folder / path.name
        # Jazzy changed how metadata.yaml stores quality of service; older readers only know the form before.
        version: Any = 8 if distribution == "humble" else 9
        with Writer(unfinished, version=version, storage_plugin=StoragePlugin[storage.upper()]) as writer:
            yield writer
        check_is_new(path)  # rename would silently replace an empty folder
        publish_folder(unfinished, path)
    except HarError:
        raise
    except Exception as error:  # each storage reports a full disk in its own way
        raise DataError(f"the bag {path} can't be written: {type(error).__name__}: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_is_new(path: Path) -> None:
    """Raise ConfigError when `path` exists."""
    if path.exists():
        raise ConfigError(f"{path} exists and is not overwritten; remove it or give another --output")


class Topics:
    """Writes the topics of a node into a bag, in the messages of one distribution.

    Attributes:
        node: its name.
        types: the type of each topic, by its name below the node's.
        stamp: seconds and nanoseconds of the current image.
        recorded_ns: when it was recorded.
    """

    node: ClassVar[str]
    types: ClassVar[Dict[str, str]]

    def __init__(self, writer: Writer, distribution: str, has_names: bool) -> None:
        """`has_names`: whether class ids are names rather than numbers; raises ConfigError for other distributions."""
        self.stamp = (0, 0)
        self._frame_id = ""
        self.recorded_ns = 0
        self._has_names = has_names
        self._writer = writer
        self._store = typestore(distribution)
        self._types: Any = self._store.types
        self._connections = {
            name: writer.add_connection(f"{self.node}/{name}", kind, typestore=self._store)
            for name, kind in self.types.items()
        }

    def start_image(self, header: Any, recorded_ns: int) -> None:
        """Write the following messages for the image with this header."""
        self.stamp = int(header.stamp.sec), int(header.stamp.nanosec)
        self._frame_id, self.recorded_ns = header.frame_id, recorded_ns

    def write_event(self, event: LabelEvent, track_id: str = "") -> None:
        """Write an event as an ActivityEvent."""
        time, duration = (self._types[f"builtin_interfaces/msg/{name}"] for name in ("Time", "Duration"))
        message = self._types[EVENT](
            header=self._header(divmod(event.stamp_ns, NANOSECONDS)),
            track_id=track_id,
            class_id=self._class_id(event),
            score=float(event.score),
            kind=int(event.kind != BEGAN),
            begin=time(*divmod(event.began_ns, NANOSECONDS)),
            duration=duration(*divmod(event.stamp_ns - event.began_ns, NANOSECONDS)),
        )
        self._write("events", message)

    def _hypotheses(self, prediction: Prediction) -> List[Any]:
        return [self._types[HYPOTHESIS](self._class_id(item), float(item.score)) for item in prediction.top]

    def _class_id(self, item: Union[Hypothesis, LabelEvent]) -> str:
        return item.label if self._has_names else str(item.class_id)

    def _header(self, stamp: Tuple[int, int]) -> Any:
        return self._types["std_msgs/msg/Header"](self._types["builtin_interfaces/msg/Time"](*stamp), self._frame_id)

    def _write(self, name: str, message: Any) -> None:
        connection = self._connections[name]
        self._writer.write(connection, self.recorded_ns, self._store.serialize_cdr(message, connection.msgtype))


class LabelTopics(Topics):
    """The topics of a recognizer node."""

    node = "/recognizer"
    types: ClassVar[Dict[str, str]] = {
        "classification": CLASSIFICATION,
        "hypothesis": HYPOTHESIS,
        "label": STRING,
        "events": EVENT,
        "provisional": BOOL,
    }
    _provisional: Optional[bool] = None

    def write_prediction(self, prediction: Prediction) -> None:
        """Write the labels of the current image, with its header."""
        if prediction.provisional != self._provisional:  # before the label that it is about
            self._provisional = prediction.provisional
            self._write("provisional", self._types[BOOL](prediction.provisional))
        results = self._hypotheses(prediction)
        self._write("classification", self._types[CLASSIFICATION](self._header(self.stamp), results))
        self._write("hypothesis", results[0])
        self._write("label", self._types[STRING](prediction.label))


class PeopleTopics(Topics):
    """The topics of a people node."""

    node = "/people"
    types: ClassVar[Dict[str, str]] = {"people": DETECTIONS, "events": EVENT}

    def write_people(self, people: Sequence[Person]) -> None:
        """Write the people in the current image, with its header."""
        header = self._header(self.stamp)
        detections = [self._detection(header, person) for person in people]
        self._write("people", self._types[DETECTIONS](header, detections))

    def _detection(self, header: Any, person: Person) -> Any:
        left, top, right, bottom = person.box
        centre = self._types[POSE](self._types[POINT]((left + right) / 2, (top + bottom) / 2), 0.0)
        box = self._types[BOX](centre, right - left, bottom - top)
        hypotheses = self._hypotheses(person.label) if person.label else []
        return self._types[DETECTION](
            header, [self._types[RESULT](item, self._pose()) for item in hypotheses], box, person.track_id
        )

    def _pose(self) -> Any:
        """The pose that is not known."""
        point, rotation, pose, uncertain = (
            self._types[f"geometry_msgs/msg/{name}"] for name in ("Point", "Quaternion", "Pose", "PoseWithCovariance")
        )
        return uncertain(pose(point(0.0, 0.0, 0.0), rotation(0.0, 0.0, 0.0, 1.0)), np.zeros(36))


def typestore(distribution: str) -> Typestore:
    """The types of a distribution, with those of vision_msgs; raises ConfigError for an unknown one."""
    if distribution not in DISTRIBUTIONS:
        raise ConfigError(f"distribution is {distribution!r}, expected one of {DISTRIBUTIONS}")
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError:
        raise ConfigError("bags need the package rosbags: pip install 'opendr_har_ros[bags]'") from None
    # The few standard messages used here are the same in all distributions; an older rosbags lacks the newest ones.
    store = get_typestore(getattr(Stores, f"ROS2_{distribution.upper()}", Stores.LATEST))
    for name, definition in DEFINITIONS.items():
        store.register(get_types_from_msg(definition, name))
    return store
