"""Bags to label, written here with rosbags, and what their labels must be."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from opendr_har_core import Recognizer
from opendr_har_core.frame import Frame
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.synthetic.scene import render_clip

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "/camera/image_raw"
START = 1_700_000_000_000_000_000
DELAY = 7_000_000


def scene():
    """Someone waves, then bends; 10 Hz."""
    frames = []
    for action in ("raising both arms", "walking"):
        offset = frames[-1].stamp_ns - START + 100_000_000 if frames else 0
        clip = render_clip(action, 3.0, 10.0, (60, 80), seed=3)
        frames += [Frame(frame.rgb, START + offset + frame.stamp_ns) for frame in clip]
    return frames


FRAMES = scene()


def image_message(types, frame, compressed, stamp_ns=None):
    stamp = types["builtin_interfaces/msg/Time"](*divmod(frame.stamp_ns if stamp_ns is None else stamp_ns, 10**9))
    header = types["std_msgs/msg/Header"](stamp, "front")
    bgr = np.ascontiguousarray(frame.rgb[..., ::-1])
    if compressed:
        return types["sensor_msgs/msg/CompressedImage"](header, "png", cv2.imencode(".png", bgr)[1].ravel())
    height, width = frame.size
    return types["sensor_msgs/msg/Image"](header, height, width, "bgr8", 0, 3 * width, bgr.ravel())


def write_bag(
    path,
    storage=StoragePlugin.SQLITE3,
    compressed=False,
    topics=(TOPIC,),
    change=None,
    frames=FRAMES,
    squeezed=CompressionMode.NONE,
):
    """A bag of the scene; `change(message, index)` may spoil images, `squeezed` is rosbag2's own compression."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    writer = Writer(path, version=8, storage_plugin=storage)
    writer.set_compression(squeezed, CompressionFormat.ZSTD)
    with writer:
        connections = [writer.add_connection(topic, kind, typestore=store) for topic in topics]
        for index, frame in enumerate(frames):
            message = image_message(store.types, frame, compressed)
            if change:
                change(message, index)
            for connection in connections:
                writer.write(connection, START + index * 100_000_000 + DELAY, store.serialize_cdr(message, kind))
    return path


def contents(path):
    """{topic: [(recorded, message), ...]} of a bag that describes its own types, as mcap does, or in Kilted's."""
    store = get_typestore(Stores.ROS2_KILTED)
    for file in (ROOT / "interfaces" / "vision_msgs" / "msg").glob("*.msg"):
        store.register(get_types_from_msg(file.read_text(), f"vision_msgs/msg/{file.stem}"))
    with AnyReader([path], default_typestore=store) as reader:
        found = {connection.topic: [] for connection in reader.connections}
        for connection, time, data in reader.messages():
            found[connection.topic].append((time, reader.deserialize(data, connection.msgtype)))
        return found, {connection.topic: connection.msgtype for connection in reader.connections}


def stamp_of(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def expected(settings=None, frames=FRAMES, model="default", **stream):
    labelling = LabelPipeline(Recognizer.open(model).stream(top_k=1, **stream), settings or LabelSettings())
    predictions, events = [], []
    for frame in frames:
        prediction, new = labelling.push(frame)
        predictions += [prediction] if prediction else []
        events += new
    return predictions, [*events, *labelling.reset()]
