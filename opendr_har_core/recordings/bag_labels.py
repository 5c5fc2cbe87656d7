"""A bag's images through a recognizer, as a node would have labelled them when they were recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence

from opendr_har_core.errors import ImageError
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.bag_messages import NAME, LabelMessages
from opendr_har_core.recordings.bag_reader import ImageTopic, RecordedImage, open_images
from opendr_har_core.recordings.bag_writer import check_is_new, new_bag, storage_of
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

if TYPE_CHECKING:
    from rosbags.rosbag2 import Writer

# (images done, images there are)
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class LabelBagSettings:
    """How to label; the recognizer node's parameters of the same names, with the same defaults.

    Attributes:
        topic: of the images; None for the only one there is.
        node: name of the node that the labels' topics are put under.
        distribution: whose vision_msgs to write.
    """

    topic: Optional[str] = None
    sampling: str = StreamSettings.sampling
    warm_start: str = StreamSettings.warm_start
    min_frames: int = StreamSettings.min_frames
    max_gap_sec: float = StreamSettings.max_gap_sec
    filter: LabelSettings = field(default_factory=LabelSettings)
    class_id_format: str = NAME
    node: str = "/recognizer"
    distribution: str = "kilted"


@dataclass(frozen=True)
class LabelledBag:
    """What came of a bag.

    Attributes:
        path: the new bag.
        topic: where the images came from.
        images, labels, events: counts.
        resets: how often the history was forgotten, because stamps jumped or the images' size changed.
        unreadable: images that could not be used.
        last_error: why the latest of them could not, or "".
    """

    path: Path
    topic: str
    images: int
    labels: int
    events: int
    resets: int
    unreadable: int
    last_error: str


def labels_path(source: Path) -> Path:
    """Where labels go by default: beside the bag, as `<name>_labels`."""
    source = source.absolute()
    return source.with_name(f"{source.stem if source.is_file() else source.name}_labels")


def label_bag(
    recognizer: Recognizer,
    source: Path,
    output: Path,
    settings: LabelBagSettings,
    on_progress: Optional[OnProgress] = None,
) -> LabelledBag:
    """Write a new bag, of the source's storage, with the labels of its images; it appears whole or not at all.

    Each message is recorded there at the time at which its image was recorded. Images that can't be read are counted
    and left out, as a node does. Raises VideoError for a source that can't be read, ConfigError when `output` exists or
    a setting makes no sense, DataError when it can't be written, BackendError.
    """
    messages = LabelMessages(settings.distribution, settings.class_id_format)
    # The filter ranks anew.
    stream = recognizer.stream(
        settings.sampling,
        settings.max_gap_sec,
        top_k=1,
        warm_start=settings.warm_start,
        min_frames=settings.min_frames,
    )
    labelling = LabelPipeline(stream, settings.filter)
    check_is_new(output)
    with open_images(source, settings.topic) as topic, new_bag(output, storage_of(source), messages.version) as writer:
        job = _Job(labelling, _Topics(writer, messages, settings.node))
        job.run(topic, on_progress)
    return job.result(output, topic.topic)


class _Job:
    """The images, one by one."""

    def __init__(self, labelling: LabelPipeline, topics: _Topics) -> None:
        self._labelling = labelling
        self._topics = topics
        self._images = self._resets = self._unreadable = 0
        self._last_error = ""

    def run(self, topic: ImageTopic, on_progress: Optional[OnProgress]) -> None:
        image: Optional[RecordedImage] = None
        for image in topic.images():
            try:
                self._label(image)
            except ImageError as error:
                self._unreadable += 1
                self._last_error = str(error)
            self._images += 1
            if on_progress is not None:
                on_progress(self._images, topic.count)
        if image is not None:
            self._topics.write_events(self._labelling.reset(), image.recorded_ns)

    def _label(self, image: RecordedImage) -> None:
        message = image.message()
        stamp = message.header.stamp
        stamp_ns = int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)
        # A driver that leaves the stamp zero gets the time of arrival, as in the node.
        prediction, events = self._labelling.push(image.frame(message, stamp_ns or image.recorded_ns))
        self._resets += self._labelling.stream.status.reset is not None
        self._topics.frame_id = message.header.frame_id
        self._topics.write_events(events, image.recorded_ns)
        if prediction is not None:
            self._topics.write_labels(prediction, (int(stamp.sec), int(stamp.nanosec)), image.recorded_ns)

    def result(self, path: Path, topic: str) -> LabelledBag:
        counts = self._topics.counts
        return LabelledBag(
            path=path,
            topic=topic,
            images=self._images,
            labels=counts["label"],
            events=counts["events"],
            resets=self._resets,
            unreadable=self._unreadable,
            last_error=self._last_error,
        )


class _Topics:
    """The label topics in the new bag."""

    def __init__(self, writer: Writer, messages: LabelMessages, node: str) -> None:
        self.frame_id = ""
        self._provisional: Optional[bool] = None
        self.counts: Dict[str, int] = dict.fromkeys(messages.topics(), 0)
        self._writer = writer
        self._messages = messages
        self._connections = {
            name: writer.add_connection(f"{node}/{name}", kind, typestore=messages.store)
            for name, kind in messages.topics().items()
        }

    def write_labels(self, prediction: Prediction, stamp: Any, recorded_ns: int) -> None:
        if prediction.provisional != self._provisional:  # before the label that it says something of
            self._provisional = prediction.provisional
            self._write("provisional", self._messages.provisional(prediction), recorded_ns)
        header = self._messages.header(stamp, self.frame_id)
        for name, message in self._messages.labels(prediction, header).items():
            self._write(name, message, recorded_ns)

    def write_events(self, events: Sequence[LabelEvent], recorded_ns: int) -> None:
        for event in events:
            self._write("events", self._messages.event(event, self.frame_id), recorded_ns)

    def _write(self, name: str, message: Any, recorded_ns: int) -> None:
        connection = self._connections[name]
        data = self._messages.store.serialize_cdr(message, connection.msgtype)
        self._writer.write(connection, recorded_ns, data)
        self.counts[name] += 1
