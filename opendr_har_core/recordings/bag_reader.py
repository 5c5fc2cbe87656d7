"""Reads the images of one topic of a rosbag2, in the order of recording, also as if they were a video."""

from __future__ import annotations

import struct
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Iterator, Optional, Tuple

from opendr_har_core.errors import DataError, HarError, ImageError, VideoError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.media.encodings import read_compressed, read_raw
from opendr_har_core.media.video import TYPICAL_FPS, OpenVideo, VideoInfo
from opendr_har_core.recordings.bag_writer import typestore
from opendr_har_core.recordings.sources import ROS1_BAG
from opendr_har_core.spec import NANOSECONDS

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
END_OF_TIME = (1 << 63) - 1
# The rate is the median over so many images; more would cost memory.
FIRST_IMAGES = 11


@dataclass(frozen=True, eq=False)
class RecordedImage:
    """One image message that is not decoded yet.

    Attributes:
        kind: RAW or COMPRESSED.
        recorded_ns: time of recording, by which a bag finds messages.
        data: the serialised message.
    """

    kind: str
    recorded_ns: int
    data: bytes
    reader: AnyReader

    @property
    def stamp_ns(self) -> int:
        """The header's stamp; raises DataError if the message is too short to have one."""
        if len(self.data) < 12:
            raise DataError(f"a message of {len(self.data)} bytes is too short for an image")
        # Both types begin with it, after four bytes with the byte order.
        seconds, nanoseconds = struct.unpack_from("<iI" if self.data[1] & 1 else ">iI", self.data, 4)
        return int(seconds) * NANOSECONDS + int(nanoseconds)

    def message(self) -> Any:
        """An object with the message's fields; raises ImageError for damaged data."""
        try:
            return self.reader.deserialize(self.data, self.kind)
        except Exception as error:  # rosbags trusts its input: damaged bytes can raise anything
            raise ImageError(f"a {self.kind} of {len(self.data)} bytes is damaged: {error!r}") from None

    def frame(self, message: Any, stamp_ns: int) -> LazyFrame:
        """The message as a frame, decoded when first looked at, as in a node; raises ImageError if it is malformed."""
        try:
            return (read_raw if self.kind == RAW else read_compressed)(message, stamp_ns)
        except (AttributeError, TypeError, ValueError) as error:  # a bag defines the fields of its types
            raise ImageError(f"a {self.kind} is malformed: {error}") from None

    def read(self) -> Tuple[Any, LazyFrame]:
        """(header, frame at its stamp); raises as `message` and `frame` do.

        A driver that leaves the stamp zero gets the time of recording, as the nodes use that of arrival.
        """
        message = self.message()
        try:
            stamp_ns = int(message.header.stamp.sec) * NANOSECONDS + int(message.header.stamp.nanosec)
        except (AttributeError, TypeError, ValueError) as error:
            raise ImageError(f"a {self.kind} is malformed: {error}") from None
        return message.header, self.frame(message, stamp_ns or self.recorded_ns)


@dataclass(frozen=True, eq=False)
class ImageTopic:
    """An image topic of an open bag.

    Attributes:
        path: the bag.
        topic: its name.
        count: number of images.
    """

    path: Path
    topic: str
    count: int
    reader: AnyReader

    def images(self, start_ns: int = 0, stop_ns: int = END_OF_TIME) -> Iterator[RecordedImage]:
        """Images recorded from `start_ns` on and before `stop_ns`; raises VideoError if the bag is damaged."""
        connections = [connection for connection in self.reader.connections if connection.topic == self.topic]
        with named_errors(self.path):
            for connection, time, data in self.reader.messages(connections, start=start_ns, stop=stop_ns):
                if not isinstance(time, int) or not isinstance(data, bytes):  # a database may hold anything
                    raise VideoError(f"{self.path} is damaged: it holds {data!r:.40} at {time!r:.40}")
                yield RecordedImage(connection.msgtype, time, data, self.reader)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Map errors of rosbags, its database and its decompressors to VideoError."""
    try:
        yield
    except (HarError, GeneratorExit):
        raise
    except Exception as error:
        raise VideoError(f"the bag {path} can't be read: {type(error).__name__}: {error}") from None


@contextmanager
def open_images(path: Path, topic: Optional[str] = None) -> Iterator[ImageTopic]:
    """Open an image topic of a bag (a folder or its one file; sqlite3 or mcap); without a name, the only one.

    Raises VideoError when bag or topic can't be read, ConfigError without rosbags.
    """
    with open_bag(path) as reader:
        with named_errors(path):  # a bag's metadata may have wrong types
            found = image_topic(reader, path, topic)
        yield found


def image_topic(reader: AnyReader, path: Path, topic: Optional[str]) -> ImageTopic:
    """An image topic of an open bag; without a name, the only one. Raises VideoError."""
    found = sorted({item.topic for item in reader.connections if item.msgtype in (RAW, COMPRESSED)})
    if topic is None:
        if len(found) != 1:
            raise VideoError(f"{path} has {len(found)} image topics, {found}; name the one to use with --topic")
        (topic,) = found
    connections = [item for item in reader.connections if item.topic == topic]
    if not connections:
        raise VideoError(f"{path} has no topic {topic!r}; its image topics are {found}")
    for item in connections:
        if item.msgtype not in (RAW, COMPRESSED):
            raise VideoError(f"{topic} of {path} is a {item.msgtype}, expected {RAW} or {COMPRESSED}")
    return ImageTopic(path, topic, sum(int(item.msgcount) for item in connections), reader)


@contextmanager
def open_bag(path: Path) -> Iterator[AnyReader]:
    """Open a bag; raises VideoError when it can't be read, ConfigError without rosbags."""
    default = typestore("humble")  # for bags without type definitions: sqlite3 before Iron
    from rosbags.highlevel import AnyReader

    if not path.exists():
        raise VideoError(f"there is no bag {path}")
    if path.suffix.lower() == ROS1_BAG and path.is_file():
        raise VideoError(f"{path} is a ROS 1 bag; convert it with rosbags-convert")
    with named_errors(path):
        reader = AnyReader([path], default_typestore=default)
        reader.open()
    try:
        yield reader
    finally:
        reader.close()


@dataclass
class Unreadable:
    """Images that could not be used: their number, and why the latest could not, or ""."""

    count: int = 0
    last_error: str = ""

    def add(self, error: ImageError) -> None:
        """Count an image."""
        self.count += 1
        self.last_error = str(error)


def as_video(topic: ImageTopic, unreadable: Unreadable) -> OpenVideo[LazyFrame]:
    """The readable images of a topic as a video, stamped by their headers; the others are counted.

    Raises VideoError if there are none.
    """
    frames = _readable(topic, unreadable)
    first = list(islice(frames, FIRST_IMAGES))
    if not first:
        why = f", {unreadable.count} unreadable ones: {unreadable.last_error}" if unreadable.count else ""
        raise VideoError(f"{topic.path} has no usable images on {topic.topic}{why}")
    steps = [later.stamp_ns - one.stamp_ns for one, later in zip(first, first[1:])]
    step_ns = median(steps) if steps else 0
    (height, width), fps = first[0].size, NANOSECONDS / step_ns if step_ns > 0 else float(TYPICAL_FPS)
    return OpenVideo(VideoInfo(width, height, fps, topic.count, None), chain(first, frames))


def stamped(topic: ImageTopic) -> Iterator[Tuple[int, int]]:
    """The time of recording and the stamp, both in ns, of each image that can be used."""
    for image in topic.images():
        with suppress(ImageError):
            yield image.recorded_ns, image.read()[1].stamp_ns


def _readable(topic: ImageTopic, unreadable: Unreadable) -> Iterator[LazyFrame]:
    for image in topic.images():
        try:
            _, frame = image.read()
        except ImageError as error:
            unreadable.add(error)
        else:
            yield frame
