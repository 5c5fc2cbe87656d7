"""Labels of the images in a rosbag2, written as a rosbag2: what a recognizer node would have published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, Sequence

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.bag_messages import NAME, TOPICS, LabelMessages
from opendr_har_core.recordings.bag_reader import ImageTopic, open_images
from opendr_har_core.recordings.bag_writer import check_is_new, new_bag, storage_of
from opendr_har_core.recordings.labelled import label_frames
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline

if TYPE_CHECKING:
    from rosbags.rosbag2 import Writer

# (images done, images in all)
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class LabelBagSettings:
    """What to label and how to write it.

    Attributes:
        topic: of the images; None for the only one there is.
        class_id_format: "name" or "index", as the recognizer's parameter.
        node: name of the node whose topics are written.
        distribution: whose vision_msgs and form of bag to write.
    """

    topic: Optional[str] = None
    class_id_format: str = NAME
    node: str = "/recognizer"
    distribution: str = "kilted"


@dataclass(frozen=True)
class LabelledBag:
    """The result for one bag.

    Attributes:
        path: the new bag.
        topic: topic of the images.
        images, labels, events: counts.
        resets: how often the stream restarted, because stamps jumped or the image size changed.
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
    """The default output: `<name>_labels`, next to the bag."""
    source = source.absolute()
    return source.with_name(f"{source.stem if source.is_file() else source.name}_labels")


def label_bag(
    pipeline: LabelPipeline,
    source: Path,
    output: Path,
    settings: LabelBagSettings,
    on_progress: Optional[OnProgress] = None,
) -> LabelledBag:
    """Write a new bag, of the source's storage, with the labels of its images; it is written atomically.

    Each message is recorded at the time at which its image was recorded. Unreadable images are counted and skipped, as
    in a node. Raises VideoError for a source that can't be read, ConfigError when `output` exists or a setting is
    invalid, DataError when it can't be written, BackendError.
    """
    messages = LabelMessages(settings.distribution, settings.class_id_format)
    check_is_new(output)
    with open_images(source, settings.topic) as topic, new_bag(output, storage_of(source), messages.version) as writer:
        job = _BagJob(topic, _LabelTopics(writer, messages, settings.node))
        job.run(pipeline, on_progress)
    return job.result(output)


class _BagJob:
    """Labels the images of one topic and counts."""

    def __init__(self, topic: ImageTopic, labels: _LabelTopics) -> None:
        self._topic, self._labels = topic, labels
        self._images = self._resets = self._unreadable = 0
        self._last_error = ""
        self._recorded_ns = 0
        self._stamp = (0, 0)

    def run(self, pipeline: LabelPipeline, on_progress: Optional[OnProgress]) -> None:
        for item in label_frames(pipeline, self._frames(on_progress)):
            if item.error is not None:
                self._skip(item.error)
                continue
            self._resets += pipeline.stream.status.reset is not None
            self._labels.write_events(item.events, self._recorded_ns)
            if item.shown is not None:
                self._labels.write_prediction(item.shown, self._stamp, self._recorded_ns)
        self._labels.write_events(pipeline.reset(), self._recorded_ns)

    def _frames(self, on_progress: Optional[OnProgress]) -> Iterator[LazyFrame]:
        for image in self._topic.images():
            self._images += 1
            self._recorded_ns = image.recorded_ns
            try:
                message = image.message()
                stamp = message.header.stamp
                self._stamp, self._labels.frame_id = (int(stamp.sec), int(stamp.nanosec)), message.header.frame_id
                stamp_ns = self._stamp[0] * NANOSECONDS + self._stamp[1]
                # A driver that leaves the stamp zero gets the time of arrival, as in the node.
                yield image.frame(message, stamp_ns or image.recorded_ns)
            except ImageError as error:
                self._skip(error)
            if on_progress is not None:
                on_progress(self._images, self._topic.count)

    def _skip(self, error: ImageError) -> None:
        self._unreadable += 1
        self._last_error = str(error)

    def result(self, path: Path) -> LabelledBag:
        counts = self._labels.counts
        return LabelledBag(
            path=path,
            topic=self._topic.topic,
            images=self._images,
            labels=counts["label"],
            events=counts["events"],
            resets=self._resets,
            unreadable=self._unreadable,
            last_error=self._last_error,
        )


class _LabelTopics:
    """The label topics of the new bag."""

    def __init__(self, writer: Writer, messages: LabelMessages, node: str) -> None:
        self.frame_id = ""
        self.counts: Dict[str, int] = dict.fromkeys(TOPICS, 0)
        self._provisional: Optional[bool] = None
        self._writer = writer
        self._messages = messages
        self._connections = {
            name: writer.add_connection(f"{node}/{name}", kind, typestore=messages.store)
            for name, kind in TOPICS.items()
        }

    def write_prediction(self, prediction: Prediction, stamp: Any, recorded_ns: int) -> None:
        if prediction.provisional != self._provisional:  # before the label that it is about
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
