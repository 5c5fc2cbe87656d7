"""Small videos for the tests of datasets."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip

TOPIC = "/camera/image_raw"
START = 1_700_000_000_000_000_000
CLIP = ClipSpec(frames=4, stride=6, train_fps=30.0, image_size=48)


def draw(path, action="walking", seconds=1.5, fps=30.0, seed=0):
    """A small rendered video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, render_clip(action, seconds, fps, (60, 80), seed), fps)


def cut(path, share=0.5):
    """Lose the end of a file, as an interrupted copy does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def bag_frames():
    return [frame.rgb for frame in render_clip("walking", 4.0, 15.0, (60, 80), seed=1)]


def write_bag(path, storage=None, compressed=False, delay_ns=5_000_000):
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    storage = storage or StoragePlugin.SQLITE3
    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection(TOPIC, kind, typestore=store)
        other = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        for index, rgb in enumerate(bag_frames()):
            stamp = START + index * 1_000_000_000 // 15
            time = types["builtin_interfaces/msg/Time"](stamp // 10**9, stamp % 10**9)
            header = types["std_msgs/msg/Header"](time, "camera")
            bgr = np.ascontiguousarray(rgb[..., ::-1])
            if compressed:
                message = types[kind](header, "png", cv2.imencode(".png", bgr)[1].ravel())
            else:
                message = types[kind](header, 60, 80, "bgr8", 0, 240, bgr.ravel())
            writer.write(connection, stamp + delay_ns, store.serialize_cdr(message, kind))
            text = types["std_msgs/msg/String"]("hello")
            writer.write(other, stamp, store.serialize_cdr(text, "std_msgs/msg/String"))
    return path
