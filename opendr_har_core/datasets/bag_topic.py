"""An image topic of a rosbag2 as a video, without ROS."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Sequence, Tuple

import numpy as np

from opendr_har_core.datasets.clips import nearest
from opendr_har_core.encodings import read_compressed, read_raw
from opendr_har_core.errors import ConfigError, DataError, HarError, VideoError
from opendr_har_core.spec import NANOSECONDS

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


@dataclass(frozen=True, eq=False)
class BagTopic:
    """Images of one topic of a bag (a folder with metadata.yaml; sqlite3 or mcap).

    Attributes:
        path: the bag.
        topic: the topic's name.
        stamps_ns: rising times of the images: those of their headers, or of their recording where those don't rise.
        recorded_ns: when each was recorded, which is what a bag finds messages by.
    """

    path: Path
    topic: str
    stamps_ns: np.ndarray
    recorded_ns: np.ndarray

    @property
    def name(self) -> str:
        """The bag and the topic."""
        return f"{self.path}:{self.topic}"

    @property
    def duration_sec(self) -> float:
        """Length in seconds, the last image being shown as long as the others on average."""
        span = int(self.stamps_ns[-1] - self.stamps_ns[0])
        return (span + span / max(1, len(self.stamps_ns) - 1)) / NANOSECONDS

    def fingerprint(self) -> str:
        """The bag, and how much of when is in it."""
        return f"{self.path.resolve()}|{self.topic}|{len(self.stamps_ns)}|{self.stamps_ns[0]}|{self.stamps_ns[-1]}"

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """See Source.frames; reads only the part of the bag that the times are in."""
        seconds = (self.stamps_ns - self.stamps_ns[0]) / NANOSECONDS
        wanted = nearest(seconds, times_sec).tolist()
        start, stop = int(self.recorded_ns[wanted[0]]), int(self.recorded_ns[wanted[-1]]) + 1
        index = int(np.searchsorted(self.recorded_ns, start))
        position = 0
        for reader, kind, _, data in _messages(self.path, self.topic, start, stop):
            if position < len(wanted) and wanted[position] == index:
                rgb = _decoded(reader, kind, data, self.name)
                while position < len(wanted) and wanted[position] == index:
                    yield rgb
                    position += 1
            index += 1
        if position < len(wanted):
            raise VideoError(f"{self.name} has lost images since it was indexed; index it again")


def open_topic(path: Path, topic: str) -> BagTopic:
    """Read the times of a topic's images; raises VideoError when the bag or the topic can't be read or has none."""
    recorded, stamps = [], []
    for _, _, time, data in _messages(path, topic):
        recorded.append(time)
        stamps.append(_header_stamp(data))
    if not recorded:
        raise VideoError(f"the topic {topic} of {path} has no images in it")
    rising = all(before < after for before, after in zip(stamps, stamps[1:]))
    times = np.array(recorded, np.int64)
    return BagTopic(path, topic, np.array(stamps, np.int64) if rising else times, times)


def _messages(
    path: Path, topic: str, start: int = 0, stop: int = (1 << 63) - 1
) -> Iterator[Tuple[AnyReader, str, int, bytes]]:
    """(reader, type, time of recording in nanoseconds, serialised message), in the order of recording."""
    with _opened(path) as reader:
        connections = [connection for connection in reader.connections if connection.topic == topic]
        if not connections:
            topics = sorted({c.topic for c in reader.connections if c.msgtype in (RAW, COMPRESSED)})
            raise VideoError(f"{path} has no topic {topic!r}; its topics of images are {topics}")
        for connection in connections:
            if connection.msgtype not in (RAW, COMPRESSED):
                raise VideoError(f"{topic} of {path} is a {connection.msgtype}, expected {RAW} or {COMPRESSED}")
        for connection, time, data in reader.messages(connections, start=start, stop=stop):
            yield reader, connection.msgtype, time, data


@contextmanager
def _opened(path: Path) -> Iterator[AnyReader]:
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise ConfigError("bags are read with the package rosbags: pip install 'opendr_har_ros[bags]'") from None
    if not path.exists():
        raise VideoError(f"there is no bag {path}")
    if path.suffix == ".bag":
        raise VideoError(f"{path} is a bag of ROS 1; make a rosbag2 of it with rosbags-convert")
    try:
        # The types of a bag that has none in it: sqlite3 bags from before Iron.
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
            yield reader
    except (HarError, GeneratorExit):
        raise
    except Exception as error:  # besides rosbags' errors those of its database, its decompressors and of damaged data
        raise VideoError(f"the bag {path} can't be read: {type(error).__name__}: {error}") from None


def _header_stamp(data: bytes) -> int:
    """Both kinds of message begin with a stamp, after the four bytes that say the byte order."""
    if len(data) < 12:
        raise DataError(f"a message of {len(data)} bytes is too short for an image")
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * NANOSECONDS + int(nanoseconds)


def _decoded(reader: AnyReader, kind: str, data: bytes, name: str) -> np.ndarray:
    message: Any = reader.deserialize(data, kind)
    try:
        return (read_raw if kind == RAW else read_compressed)(message, 0).rgb
    except HarError as error:
        raise VideoError(f"{name}: {error}") from None
