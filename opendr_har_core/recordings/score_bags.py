"""Reads labels and truth from a rosbag2: activity events, or texts, which hold until the next one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.recordings.bag_reader import COMPRESSED, RAW, image_topic, named_errors, open_bag, stamped
from opendr_har_core.recordings.bag_writer import DETECTIONS, END_NS, EVENT, RECORDED_NS, RECORDING, START_NS, STRING
from opendr_har_core.recordings.score_rows import Row, Rows, recording_name
from opendr_har_core.recordings.sources import BAG_FACTS
from opendr_har_core.spec import NANOSECONDS

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

BEGAN = 0


@dataclass(frozen=True)
class _Clock:
    """Where times count from: the first image.

    Attributes:
        stamp_ns: its header's stamp, for messages with a header.
        recorded_ns: when it was recorded, for all others.
        duration_sec: of the recording since then.
    """

    stamp_ns: int
    recorded_ns: int
    duration_sec: float

    def seconds(self, stamp: Any) -> float:
        """Seconds of a message's stamp."""
        return (int(stamp.sec) * NANOSECONDS + int(stamp.nanosec) - self.stamp_ns) / NANOSECONDS


def read_bag(path: Path, topic: Optional[str] = None, images: Optional[str] = None) -> Rows:
    """The parts of one recording on a topic of ActivityEvent or String; without a name, on the only ActivityEvents.

    Times count from the first image: as `opendr-har bag` has noted it, or the first usable one on `images`, by default
    the only image topic; from the beginning of a bag without images. People's boxes are those on `people` next to the
    topic. Raises DataError, ConfigError without rosbags.
    """
    if path.is_file() and (path.parent / BAG_FACTS).is_file():
        path = path.parent  # the file alone does not have the notes
    with open_bag(path) as reader, named_errors(path):
        first: Any = reader.readers[0]
        facts = first.storage.metadata.custom or {}
        topic = topic or _event_topic(path, reader)
        clock = _clock(path, reader, facts, images)
        name = recording_name(facts.get(RECORDING) or str(path))
        boxes = _boxes(path, reader, f"{topic.rpartition('/')[0]}/people", clock)
        return Rows(
            _rows(path, reader, topic, clock, name),
            {name: clock.duration_sec},
            {(name, track): np.array(sorted(items)) for track, items in boxes.items()},
        )


def _event_topic(path: Path, reader: AnyReader) -> str:
    found = sorted({item.topic for item in reader.connections if item.msgtype == EVENT})
    if len(found) != 1:
        raise DataError(
            f"{path} has {len(found)} topics of {EVENT}, {found}; name the one of the labels, --label-topic"
        )
    return found[0]


def _clock(path: Path, reader: AnyReader, facts: Mapping[str, str], images: Optional[str]) -> _Clock:
    if START_NS in facts:
        start, end = int(facts[START_NS]), int(facts[END_NS])
        return _Clock(start, int(facts[RECORDED_NS]), (end - start) / NANOSECONDS)
    if not reader.message_count:
        raise DataError(f"{path} has no messages")
    stamp = recorded = reader.start_time
    if images or any(item.msgtype in (RAW, COMPRESSED) for item in reader.connections):
        # Labels count from the first image that can be used, too.
        first = next(stamped(image_topic(reader, path, images)), None)
        if first is None:
            raise DataError(f"{path} has no usable image from which times could count")
        recorded, stamp = first
    return _Clock(stamp, recorded, (reader.end_time - recorded) / NANOSECONDS)


def _rows(path: Path, reader: AnyReader, topic: str, clock: _Clock, name: str) -> List[Row]:
    connections = [item for item in reader.connections if item.topic == topic]
    if not connections or any(item.msgtype not in (EVENT, STRING) for item in connections):
        found = sorted({item.topic for item in reader.connections if item.msgtype in (EVENT, STRING)})
        raise DataError(f"{path} has no topic {topic!r} of {EVENT} or {STRING}; those are {found}")
    rows: List[Row] = []
    opened: Dict[str, Row] = {}  # by track: what has begun and not ended
    for connection, recorded_ns, data in reader.messages(connections):
        message: Any = reader.deserialize(data, connection.msgtype)
        if connection.msgtype == STRING:
            start, label = (recorded_ns - clock.recorded_ns) / NANOSECONDS, message.data.strip()
            row = Row(name, "", start, math.inf, label)
        else:
            start, label = clock.seconds(message.begin), message.class_id
            end = math.inf if message.kind == BEGAN else clock.seconds(message.header.stamp)
            row = Row(name, message.track_id, start, end, label, float(message.score))
        row = replace(row, where=f"{path}, {topic}, {start:.3f} s after the first image")
        if not (row.end_sec >= row.start_sec and 0 <= row.score <= 1):
            raise DataError(f"{row.where}: {label!r} until {row.end_sec} s with score {row.score} is no activity")
        before = opened.pop(row.track, None)
        if before is not None and before.start_sec < start:  # its end was not recorded, or it is a text
            rows.append(replace(before, end_sec=start))
        if label and row.end_sec == math.inf:
            opened[row.track] = row
        elif label:
            rows.append(row)
    rows += opened.values()
    inside = [
        replace(row, start_sec=max(0.0, row.start_sec), end_sec=min(row.end_sec, clock.duration_sec))
        for row in rows
        if row.end_sec > 0 and row.start_sec < clock.duration_sec
    ]
    if rows and not inside:
        why = "their stamps and those of the images are of different clocks"
        raise DataError(f"{rows[0].where}: outside of the {clock.duration_sec:.1f} s of images, as all others: {why}")
    return inside


def _boxes(path: Path, reader: AnyReader, topic: str, clock: _Clock) -> Dict[str, List[Tuple[float, ...]]]:
    """Time and left, top, right, bottom in pixels, for each track."""
    boxes: Dict[str, List[Tuple[float, ...]]] = {}
    connections = [item for item in reader.connections if item.topic == topic and item.msgtype == DETECTIONS]
    for connection, _, data in reader.messages(connections) if connections else ():
        message: Any = reader.deserialize(data, connection.msgtype)
        time = clock.seconds(message.header.stamp)
        for item in message.detections:
            x, y = item.bbox.center.position.x, item.bbox.center.position.y
            width, height = item.bbox.size_x / 2, item.bbox.size_y / 2
            box = (time, x - width, y - height, x + width, y + height)
            if not all(map(math.isfinite, box)):
                raise DataError(f"{path}, {topic}, {time:.3f} s after the first image: {box[1:]} is no box")
            boxes.setdefault(item.id, []).append(box)
    return boxes
