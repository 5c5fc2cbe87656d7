"""Labels of the images in a rosbag2, written as a rosbag2: what a recognizer node would have published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence

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


@dataclass
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
    images: int = 0
    labels: int = 0
    events: int = 0
    resets: int = 0
    unreadable: int = 0
    last_error: str = ""

    def skip(self, error: ImageError) -> None:
        """Count an unreadable image."""
        self.unreadable += 1
        self.last_error = str(error)


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
        done = LabelledBag(output, topic.topic)
        labels = _LabelTopics(writer, messages, settings.node, done)
        for item in label_frames(pipeline, _frames(topic, labels, done, on_progress)):
            if item.error is not None:
                done.skip(item.error)
                continue
            done.resets += pipeline.stream.status.reset is not None
            labels.write_events(item.events)
            if item.shown is not None:
                labels.write_prediction(item.shown)
        labels.write_events(pipeline.reset())
    return done


def _frames(
    topic: ImageTopic, labels: _LabelTopics, done: LabelledBag, on_progress: Optional[OnProgress]
) -> Iterator[LazyFrame]:
    """Frames of the readable images; `labels` are written for the image that was yielded last."""
    for image in topic.images():
        done.images += 1
        try:
            message = image.message()
            labels.start_image(message.header, image.recorded_ns)
            # A driver that leaves the stamp zero gets the time of arrival, as in the node.
            stamp_ns = labels.stamp[0] * NANOSECONDS + labels.stamp[1]
            yield image.frame(message, stamp_ns or image.recorded_ns)
        except ImageError as error:
            done.skip(error)
        if on_progress is not None:
            on_progress(done.images, topic.count)


class _LabelTopics:
    """The label topics of the new bag."""

    def __init__(self, writer: Writer, messages: LabelMessages, node: str, done: LabelledBag) -> None:
        self.stamp = (0, 0)
        self._frame_id = ""
        self._recorded_ns = 0
        self._provisional: Optional[bool] = None
        self._writer, self._messages, self._done = writer, messages, done
        self._connections = {
            name: writer.add_connection(f"{node}/{name}", kind, typestore=messages.store)
            for name, kind in TOPICS.items()
        }

    def start_image(self, header: Any, recorded_ns: int) -> None:
        """Write the following messages for the image with this header."""
        self.stamp = int(header.stamp.sec), int(header.stamp.nanosec)
        self._frame_id, self._recorded_ns = header.frame_id, recorded_ns

    def write_prediction(self, prediction: Prediction) -> None:
        if prediction.provisional != self._provisional:  # before the label that it is about
            self._provisional = prediction.provisional
            self._write("provisional", self._messages.provisional(prediction))
        header = self._messages.header(self.stamp, self._frame_id)
        for name, message in self._messages.labels(prediction, header).items():
            self._write(name, message)
        self._done.labels += 1

    def write_events(self, events: Sequence[LabelEvent]) -> None:
        for event in events:
            self._write("events", self._messages.event(event, self._frame_id))
            self._done.events += 1

    def _write(self, name: str, message: Any) -> None:
        connection = self._connections[name]
        data = self._messages.store.serialize_cdr(message, connection.msgtype)
        self._writer.write(connection, self._recorded_ns, data)
