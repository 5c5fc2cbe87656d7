"""Clips of real rosbag2 recordings, sqlite3 and mcap, raw and compressed, written here with rosbags."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rosbags")
import dataset_cases as cases
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from opendr_har_core.datasets.bag_topic import open_topic
from opendr_har_core.datasets.rosbag import RosbagDataset
from opendr_har_core.errors import DataError, LabelError, VideoError
from opendr_har_core.synthetic.scene import render_clip

TOPIC = "/camera/image_raw"
LABELS = ["walking", "bending", "jumping"]
START = 1_700_000_000_000_000_000


def frames():
    return [frame.rgb for frame in render_clip("walking", 4.0, 15.0, (60, 80), seed=1)]


def write_bag(path, storage=StoragePlugin.SQLITE3, compressed=False, delay_ns=5_000_000):
    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection(TOPIC, kind, typestore=store)
        other = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        for index, rgb in enumerate(frames()):
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


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("start,end,label\n0,2,walking\n2,,jumping\n9,10,bending\n")
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("storage", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_stretches_of_a_bag_are_clips(tmp_path, table, storage, compressed):
    bag = write_bag(tmp_path / "bag", storage, compressed)
    found = RosbagDataset(bag, TOPIC, table, LABELS, cases.CLIP)
    assert found.targets == [0, 2]
    assert found[1][0].shape == (3, 4, 48, 48)
    assert found.report.missing_classes == ("bending",)
    assert "starts at 9.0 s" in found.report.skipped[0][1]
    images = frames()
    times = [2.0, 2.21, 3.98]
    read = list(open_topic(bag, TOPIC).frames(times))
    assert all(np.array_equal(rgb, images[round(time * 15)]) for rgb, time in zip(read, times[:2]))
    assert np.array_equal(read[2], images[-1])


def test_only_the_wanted_images_are_decoded(tmp_path, monkeypatch):
    topic = open_topic(write_bag(tmp_path / "bag"), TOPIC)
    decoded = []
    original = sys.modules["opendr_har_core.datasets.bag_topic"]._decoded
    monkeypatch.setattr(
        "opendr_har_core.datasets.bag_topic._decoded", lambda *given: decoded.append(1) or original(*given)
    )
    assert len(list(topic.frames([1.0, 1.4, 1.41, 1.8]))) == 4
    assert len(decoded) == 3


def test_a_topic_that_is_not_there_is_named_with_those_that_are(tmp_path, table):
    bag = write_bag(tmp_path / "bag")
    with pytest.raises(VideoError, match=r"'/front'.*\['/camera/image_raw'\]"):
        RosbagDataset(bag, "/front", table, LABELS, cases.CLIP)
    with pytest.raises(VideoError, match=r"std_msgs/msg/String, expected sensor_msgs/msg/Image"):
        RosbagDataset(bag, "/chatter", table, LABELS, cases.CLIP)


def test_a_damaged_bag_is_an_error(tmp_path, table):
    bag = write_bag(tmp_path / "bag")
    cases.cut(next(bag.glob("*.db3")), 0.3)
    with pytest.raises(VideoError, match="can't be read"):
        RosbagDataset(bag, TOPIC, table, LABELS, cases.CLIP)
    with pytest.raises(VideoError, match="no bag"):
        RosbagDataset(tmp_path / "none", TOPIC, table, LABELS, cases.CLIP)


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [
        ("start,end,label\n0,2,wakling\n", LabelError, r"line 2: 'wakling'.*'walking'"),
        ("start,end,label\n3,2,walking\n", DataError, "line 2: ends at 2.0 s, which is not after"),
        ("start,end,label\nx,2,walking\n", DataError, "line 2: start is 'x'"),
        ("start,label\n0,walking\n", DataError, "needs"),
        ("start,end,label\n", DataError, "no clip to use"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_line(tmp_path, table, text, error, expected):
    table.write_text(text)
    with pytest.raises(error, match=expected):
        RosbagDataset(write_bag(tmp_path / "bag"), TOPIC, table, LABELS, cases.CLIP)
