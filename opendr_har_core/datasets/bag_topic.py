"""Frames of an image topic in a rosbag2 at given times, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Iterator, Optional, Sequence

import numpy as np

from opendr_har_core.datasets.clips import nearest
from opendr_har_core.errors import HarError, ImageError, VideoError
from opendr_har_core.recordings.bag_reader import RecordedImage, open_images
from opendr_har_core.spec import NANOSECONDS


@dataclass(frozen=True, eq=False)
class BagTopic:
    """VideoSource of the images of one topic in a bag (a folder with metadata.yaml; sqlite3 or mcap).

    Attributes:
        path: the bag.
        topic: the topic's name.
        stamps_ns: increasing times of the images: header stamps, or recording times if the stamps don't increase.
        recorded_ns: recording times, by which a bag finds messages.
    """

    path: Path
    topic: str
    stamps_ns: np.ndarray
    recorded_ns: np.ndarray

    @property
    def name(self) -> str:
        """Bag and topic."""
        return f"{self.path}:{self.topic}"

    @property
    def duration_sec(self) -> float:
        """Length in seconds; the last image lasts as long as the others on average."""
        span = int(self.stamps_ns[-1] - self.stamps_ns[0])
        return (span + span / max(1, len(self.stamps_ns) - 1)) / NANOSECONDS

    def fingerprint(self) -> str:
        """Bag, topic, and number and times of the images."""
        return f"{self.path.resolve()}|{self.topic}|{len(self.stamps_ns)}|{self.stamps_ns[0]}|{self.stamps_ns[-1]}"

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """See VideoSource.frames; reads only the part of the bag that contains the times."""
        seconds = (self.stamps_ns - self.stamps_ns[0]) / NANOSECONDS
        wanted = nearest(seconds, times_sec).tolist()
        start, stop = int(self.recorded_ns[wanted[0]]), int(self.recorded_ns[wanted[-1]]) + 1
        index = int(np.searchsorted(self.recorded_ns, start))
        position = 0
        with open_images(self.path, self.topic) as bag:
            for image in bag.images(start, stop):
                if position < len(wanted) and wanted[position] == index:
                    rgb = _decoded(image, self.name)
                    while position < len(wanted) and wanted[position] == index:
                        yield rgb
                        position += 1
                index += 1
        if position < len(wanted):
            raise VideoError(f"{self.name} has fewer images than when it was indexed; open the data set again")


def open_topic(path: Path, topic: Optional[str] = None) -> BagTopic:
    """Index the images of a topic, by default of the only one; raises VideoError if it can't be read or has none."""
    recorded, stamps = [], []
    with open_images(path, topic) as bag:
        topic = bag.topic
        # Times count from the first image that can be used, as those of annotations do.
        for image in dropwhile(_is_unusable, bag.images()):
            recorded.append(image.recorded_ns)
            stamps.append(image.stamp_ns)
    if not recorded:
        raise VideoError(f"the topic {topic} of {path} has no usable images")
    increasing = all(before < after for before, after in zip(stamps, stamps[1:]))
    times = np.array(recorded, np.int64)
    return BagTopic(path, topic, np.array(stamps, np.int64) if increasing else times, times)


def _is_unusable(image: RecordedImage) -> bool:
    try:
        image.read()
    except ImageError:
        return True
    return False


def _decoded(image: RecordedImage, name: str) -> np.ndarray:
    try:
        return image.frame(image.message(), 0).rgb
    except HarError as error:
        raise VideoError(f"{name}: {error}") from None
