"""Labels of rosbag2 recordings: sqlite3 and mcap, raw and compressed, for each distribution."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags")
sys.path.insert(0, str(Path(__file__).parents[1]))
from bag_cases import DELAY, FRAMES, START, TOPIC, contents, expected, stamp_of, write_bag
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from opendr_har_core import Recognizer
from opendr_har_core.errors import ConfigError, DataError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.people.detector import NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.recordings.bag_writer import DISTRIBUTIONS, typestore
from opendr_har_core.recordings.label_bag import LabelBagSettings, label_bag, labels_path
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.crowd import render_crowd

# Type hashes of the real packages.
HASHES = {
    "vision_msgs/msg/ObjectHypothesis": "RIHS01_51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90",
    "vision_msgs/msg/Classification": "RIHS01_f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143",
    "opendr_har_msgs/msg/ActivityEvent": "RIHS01_2d77cb0737147e1ab08c170dfc3cd0bd08337170cfb97e54543afe052cd1dc55",
}


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default")


@pytest.fixture
def label(recognizer, tmp_path):
    """Label a bag into `out`; (result, {topic: messages})."""

    def run(source, filters=None, on_progress=None, model=None, stream=None, **settings):
        used = Recognizer.open(model) if model else recognizer
        pipeline = LabelPipeline(used.stream(**(stream or {})), filters or LabelSettings())
        done = label_bag(pipeline, source, tmp_path / "out", LabelBagSettings(**settings), on_progress)
        return done, contents(done.path)[0]

    return run


def data(found, topic):
    return [message.data for _, message in found[f"/recognizer/{topic}"]]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("storage", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_labels_equal_those_of_a_stream_over_the_same_frames(tmp_path, label, storage, compressed):
    done, found = label(write_bag(tmp_path / "walk", storage, compressed))
    predictions, events = expected()
    assert (done.topic, done.images, done.labels, done.events) == (TOPIC, len(FRAMES), len(predictions), len(events))
    assert len({event.label for event in events}) >= 2
    assert contents(done.path)[1] == {
        "/recognizer/classification": "vision_msgs/msg/Classification",
        "/recognizer/hypothesis": "vision_msgs/msg/ObjectHypothesis",
        "/recognizer/label": "std_msgs/msg/String",
        "/recognizer/events": "opendr_har_msgs/msg/ActivityEvent",
        "/recognizer/provisional": "std_msgs/msg/Bool",
    }
    classifications = [message for _, message in found["/recognizer/classification"]]
    assert [stamp_of(message) for message in classifications] == [item.stamp_ns for item in predictions]
    assert {message.header.frame_id for message in classifications} == {"front"}
    assert [[(item.class_id, item.score) for item in message.results] for message in classifications] == [
        [(item.label, item.score) for item in prediction.top] for prediction in predictions
    ]
    best = [(message.class_id, message.score) for _, message in found["/recognizer/hypothesis"]]
    assert best == [(item.label, item.score) for item in predictions]
    assert data(found, "label") == [item.label for item in predictions]
    assert [recorded for recorded, _ in found["/recognizer/label"]] == [item.stamp_ns + DELAY for item in predictions]
    assert [(stamp_of(message), message.class_id, message.kind) for _, message in found["/recognizer/events"]] == [
        (event.stamp_ns, event.label, event.kind == "ended") for event in events
    ]
    storages = {file.suffix for file in done.path.iterdir()} - {".yaml"}
    assert storages == {".mcap" if storage == StoragePlugin.MCAP else ".db3"}


@pytest.mark.slow
@pytest.mark.parametrize("mode", [CompressionMode.MESSAGE, CompressionMode.FILE])
def test_compressed_bags_are_read(tmp_path, label, mode):
    _, found = label(write_bag(tmp_path / "walk", squeezed=mode))
    assert data(found, "label") == [item.label for item in expected()[0]]


def test_filter_settings_and_class_ids_are_those_of_the_node(tmp_path, label):
    filters = LabelSettings(top_k=2, smoothing=0.5, threshold=0.9, no_activity_label="nothing")
    _, found = label(write_bag(tmp_path / "walk"), filters, class_id_format="index")
    results = [message.results for _, message in found["/recognizer/classification"]]
    assert [[item.class_id for item in items] for items in results] == [
        [str(item.class_id) for item in prediction.top] for prediction in expected(filters)[0]
    ]
    assert "nothing" in data(found, "label")


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_metadata_has_the_form_that_the_distribution_reads(tmp_path, label, distribution):
    done, found = label(write_bag(tmp_path / "walk"), distribution=distribution)
    metadata = (done.path / "metadata.yaml").read_text()
    qos_line = next(line for line in metadata.splitlines() if "offered_qos_profiles" in line)
    assert qos_line.split(": ")[1] == ("''" if distribution == "humble" else "[]")
    assert data(found, "label") == [item.label for item in expected()[0]]


@pytest.mark.parametrize("name", HASHES)
def test_types_are_those_of_the_real_packages(name):
    assert typestore("kilted").hash_rihs01(name) == HASHES[name]


def test_unreadable_images_are_counted_and_skipped(tmp_path, label):
    def spoil(message, index):
        if index in (20, 40):
            message.encoding = "x-ray"
        if index == 30:
            message.data = message.data[:100]

    done, found = label(write_bag(tmp_path / "walk", change=spoil))
    good = [frame for index, frame in enumerate(FRAMES) if index not in (20, 30, 40)]
    assert (done.images, done.unreadable) == (len(FRAMES), 3)
    assert "x-ray" in done.last_error
    assert data(found, "label") == [item.label for item in expected(frames=good)[0]]


def test_labels_end_where_a_recording_starts_again(tmp_path, label):
    done, found = label(write_bag(tmp_path / "walk", frames=FRAMES[:30] + FRAMES[:30]))
    assert done.resets == 1
    events = [(message.kind, stamp_of(message)) for _, message in found["/recognizer/events"]]
    assert [kind for kind, _ in events] == [0, 1] * (len(events) // 2)
    assert len(events) >= 4
    assert events[-1] == (1, FRAMES[29].stamp_ns)
    labels = data(found, "label")
    assert labels[: len(labels) // 2] == labels[len(labels) // 2 :]


def test_a_bag_of_one_file_is_named_after_it(tmp_path, label):
    folder = write_bag(tmp_path / "walk", StoragePlugin.MCAP)
    (file,) = folder.glob("*.mcap")
    assert labels_path(file) == folder / f"{file.stem}_labels"
    assert labels_path(folder) == tmp_path / "walk_labels"
    assert label(file)[0].labels == len(expected()[0])


def test_a_failure_leaves_nothing_behind_and_no_bag_is_overwritten(tmp_path, label):
    source = write_bag(tmp_path / "walk")

    def fail(done, _):
        if done == 30:
            raise OSError("no space left")

    with pytest.raises(DataError, match="out can't be written: OSError: no space left"):
        label(source, on_progress=fail)
    assert list(tmp_path.iterdir()) == [source]
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="not overwritten"):
        label(source)


def test_a_bag_with_several_image_topics_needs_a_name(tmp_path, label):
    source = write_bag(tmp_path / "walk", topics=("/front", "/rear"))
    with pytest.raises(VideoError, match=r"2 image topics, \['/front', '/rear'\]"):
        label(source)
    with pytest.raises(VideoError, match="no topic '/side'"):
        label(source, topic="/side")
    assert label(source, topic="/rear")[0].labels > 5


def test_people_have_boxes_ids_and_labels_in_each_image(tmp_path, recognizer):
    crowd = render_crowd(("jumping jacks", "bending"), 3.0, 10.0, (240, 320), seed=3)
    frames = [Frame(each.frame.rgb, START + each.frame.stamp_ns) for each in crowd]

    def pipeline():
        settings = PeopleSettings(), StreamSettings(), LabelSettings(top_k=2)
        return PeoplePipeline(recognizer, NanoDet(), *settings)

    source = write_bag(tmp_path / "crowd", frames=frames)
    done = label_bag(pipeline(), source, tmp_path / "out", LabelBagSettings())
    found, types = contents(done.path)
    assert types == {
        "/people/people": "vision_msgs/msg/Detection2DArray",
        "/people/events": "opendr_har_msgs/msg/ActivityEvent",
    }
    again = pipeline()
    expected = [again.push(frame).people for frame in frames]
    arrays = [message for _, message in found["/people/people"]]
    assert [stamp_of(message) for message in arrays] == [frame.stamp_ns for frame in frames]
    for message, people in zip(arrays, expected):
        assert message.header.frame_id == "front"
        assert [item.id for item in message.detections] == [person.track_id for person in people]
        for item, person in zip(message.detections, people):
            left, top, right, bottom = person.box
            assert item.bbox.center.position.x == pytest.approx((left + right) / 2)
            assert (item.bbox.size_x, item.bbox.size_y) == pytest.approx((right - left, bottom - top))
            hypotheses = [(result.hypothesis.class_id, result.hypothesis.score) for result in item.results]
            assert hypotheses == ([(top.label, top.score) for top in person.label.top] if person.label else [])
    assert {len(result.results) for result in arrays[-1].detections} == {2}
    assert (done.people, done.images, done.events) == (2, len(frames), len(found["/people/events"]))
    assert {message.track_id for _, message in found["/people/events"]} == {"1", "2"}
