"""RosbagDataset, on bags written with rosbags: sqlite3 and mcap, raw and compressed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rosbags")
import dataset_cases as cases
from rosbags.rosbag2 import StoragePlugin

from opendr_har_core.datasets.annotations import AnnotationDataset
from opendr_har_core.datasets.bag_topic import open_topic
from opendr_har_core.datasets.rosbag import RosbagDataset
from opendr_har_core.errors import DataError, LabelError, VideoError
from opendr_har_core.recordings.bag_reader import RecordedImage

LABELS = ["walking", "bending", "jumping"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("start,end,label\n0,2,walking\n2,,jumping\n9,10,bending\n")
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("storage", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_annotated_segments_of_a_bag_are_clips(tmp_path, table, storage, compressed):
    bag = cases.write_bag(tmp_path / "bag", storage, compressed)
    found = RosbagDataset(bag, cases.TOPIC, table, LABELS, cases.CLIP)
    assert found.targets == [0, 2]
    assert found[1][0].shape == (3, 4, 48, 48)
    assert found.report.missing_classes == ("bending",)
    assert "starts at 9.0 s" in found.report.skipped[0][1]
    images = cases.bag_frames()
    times = [2.0, 2.21, 3.98]
    read = list(open_topic(bag, cases.TOPIC).frames(times))
    assert all(np.array_equal(rgb, images[round(time * 15)]) for rgb, time in zip(read, times[:2]))
    assert np.array_equal(read[2], images[-1])


def test_a_csv_of_segments_may_name_bags(tmp_path, table):
    bag = cases.write_bag(tmp_path / "bag")
    (tmp_path / "clips.csv").write_text("path,start,end,label\nbag,0,2,walking\nbag,2,,jumping\n")
    clips, topic = AnnotationDataset(tmp_path / "clips.csv", None, cases.CLIP), {"topic": cases.TOPIC}
    assert (list(clips.labels), clips.targets) == (["jumping", "walking"], [1, 0])
    expected = RosbagDataset(bag, cases.TOPIC, table, LABELS, cases.CLIP)
    assert all(bool((clip == other).all()) for (clip, _), (other, _) in zip(clips, expected))
    assert AnnotationDataset(tmp_path / "clips.csv", None, cases.CLIP, **topic).targets == [1, 0]


def test_only_the_wanted_images_are_decoded(tmp_path, monkeypatch):
    topic = open_topic(cases.write_bag(tmp_path / "bag"), cases.TOPIC)
    decoded = []
    original = RecordedImage.frame
    monkeypatch.setattr(RecordedImage, "frame", lambda *given: decoded.append(1) or original(*given))
    assert len(list(topic.frames([1.0, 1.4, 1.41, 1.8]))) == 4
    assert len(decoded) == 3


def test_an_unknown_topic_is_reported_with_the_topics_of_the_bag(tmp_path, table):
    bag = cases.write_bag(tmp_path / "bag")
    with pytest.raises(VideoError, match=r"'/front'.*\['/camera/image_raw'\]"):
        RosbagDataset(bag, "/front", table, LABELS, cases.CLIP)
    with pytest.raises(VideoError, match=r"std_msgs/msg/String, expected sensor_msgs/msg/Image"):
        RosbagDataset(bag, "/chatter", table, LABELS, cases.CLIP)


def test_a_damaged_bag_is_an_error(tmp_path, table):
    bag = cases.write_bag(tmp_path / "bag")
    cases.cut(next(bag.glob("*.db3")), 0.3)
    with pytest.raises(VideoError, match="can't be read"):
        RosbagDataset(bag, cases.TOPIC, table, LABELS, cases.CLIP)
    with pytest.raises(VideoError, match="no bag"):
        RosbagDataset(tmp_path / "none", cases.TOPIC, table, LABELS, cases.CLIP)


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [
        ("start,end,label\n0,2,wakling\n", LabelError, r"line 2: 'wakling'.*'walking'"),
        ("start,end,label\n3,2,walking\n", DataError, "line 2: ends at 2.0 s, which is not after"),
        ("start,end,label\nx,2,walking\n", DataError, "line 2: start is 'x'"),
        ("start,label\n0,walking\n", DataError, "needs"),
        ("start,end,label\n", DataError, "no usable clip"),
    ],
)
def test_wrong_annotations_are_errors_with_their_line(tmp_path, table, text, error, expected):
    table.write_text(text)
    with pytest.raises(error, match=expected):
        RosbagDataset(cases.write_bag(tmp_path / "bag"), cases.TOPIC, table, LABELS, cases.CLIP)
