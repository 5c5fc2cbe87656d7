"""The labels of recordings, as recordings: sqlite3 and mcap, raw and compressed, for any distribution."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags")
sys.path.insert(0, str(Path(__file__).parents[1]))
from bag_cases import DELAY, FRAMES, TOPIC, contents, expected, stamp_of, write_bag
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from opendr_har_core import Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.recordings.bag_labels import LabelBagSettings, label_bag, labels_path
from opendr_har_core.recordings.bag_messages import DISTRIBUTIONS, LabelMessages
from opendr_har_core.streaming.settings import LabelSettings

# Of the real package.
HASHES = {
    "vision_msgs/msg/ObjectHypothesis": "RIHS01_51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90",
    "vision_msgs/msg/Classification": "RIHS01_f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143",
}


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("storage", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_the_labels_are_those_of_a_stream_over_the_same_frames(tmp_path, recognizer, storage, compressed):
    source = write_bag(tmp_path / "walk", storage, compressed)
    done = label_bag(recognizer, source, labels_path(source), LabelBagSettings())
    predictions, events = expected()
    assert (done.path, done.topic) == (tmp_path / "walk_labels", TOPIC)
    assert (done.images, done.labels, done.events) == (len(FRAMES), len(predictions), len(events))
    assert len({event.label for event in events}) >= 2  # so that there is something to mix up
    found, types = contents(done.path)
    assert types == {
        "/recognizer/classification": "vision_msgs/msg/Classification",
        "/recognizer/hypothesis": "vision_msgs/msg/ObjectHypothesis",
        "/recognizer/label": "std_msgs/msg/String",
        "/recognizer/events": "diagnostic_msgs/msg/DiagnosticArray",
        "/recognizer/provisional": "std_msgs/msg/Bool",
    }
    classifications = [message for _, message in found["/recognizer/classification"]]
    assert [stamp_of(message) for message in classifications] == [item.stamp_ns for item in predictions]
    for message, prediction in zip(classifications, predictions):
        assert message.header.frame_id == "front"
        assert [(item.class_id, item.score) for item in message.results] == [
            (item.label, item.score) for item in prediction.top
        ]
    assert [message.data for _, message in found["/recognizer/label"]] == [item.label for item in predictions]
    best = [(message.class_id, message.score) for _, message in found["/recognizer/hypothesis"]]
    assert best == [(item.label, item.score) for item in predictions]
    assert [recorded for recorded, _ in found["/recognizer/label"]] == [item.stamp_ns + DELAY for item in predictions]
    assert [stamp_of(message) for _, message in found["/recognizer/events"]] == [event.stamp_ns for event in events]
    statuses = [message.status[0] for _, message in found["/recognizer/events"]]
    assert [(status.name, status.message) for status in statuses] == [(event.label, event.kind) for event in events]
    storages = {file.suffix for file in done.path.iterdir()} - {".yaml"}
    assert storages == {".mcap" if storage == StoragePlugin.MCAP else ".db3"}


@pytest.mark.parametrize("mode", [CompressionMode.MESSAGE, CompressionMode.FILE])
def test_compressed_bags_are_read(tmp_path, recognizer, mode):
    source = write_bag(tmp_path / "walk", squeezed=mode)
    done = label_bag(recognizer, source, tmp_path / "out", LabelBagSettings())
    found, _ = contents(done.path)
    assert [message.data for _, message in found["/recognizer/label"]] == [item.label for item in expected()[0]]


def test_dense_sampling_and_a_warm_start_label_every_image_and_mark_what_is_provisional(tmp_path):
    arguments = ["--sampling", "dense", "--warm-start", "repeat", "--smoothing", "0.2", "--hysteresis", "0.1"]
    source = write_bag(tmp_path / "walk")
    assert main(["bag", str(source), *arguments]) == 0
    found, _ = contents(tmp_path / "walk_labels")
    filters = LabelSettings(smoothing=0.2, hysteresis=0.1)
    predictions, events = expected(filters, sampling="dense", warm_start="repeat")
    assert len(predictions) == len(FRAMES)
    scores = [message.score for _, message in found["/recognizer/hypothesis"]]
    assert scores == [item.score for item in predictions]
    assert len(found["/recognizer/events"]) == len(events)
    assert [message.data for _, message in found["/recognizer/provisional"]] == [True, False]
    certain = next(item for item in predictions if not item.provisional)
    assert found["/recognizer/provisional"][1][0] == certain.stamp_ns + DELAY


def test_a_model_without_lookahead_labels_from_min_frames_on_and_marks_what_is_provisional(tmp_path, tiny_bundle):
    source, model = write_bag(tmp_path / "walk"), tiny_bundle("cox3d", "none")
    assert main(["bag", str(source), "--model", str(model), "--min-frames", "3"]) == 0
    found, _ = contents(tmp_path / "walk_labels")
    predictions, events = expected(model=model, min_frames=3)
    labels = [(stamp_of(message), message.results[0].class_id) for _, message in found["/recognizer/classification"]]
    assert labels == [(item.stamp_ns, item.label) for item in predictions]
    assert labels[0][0] == FRAMES[8].stamp_ns  # the third of those that are 0.4 s apart
    assert [message.data for _, message in found["/recognizer/provisional"]] == [True, False]
    (began, *_) = [message.status[0] for _, message in found["/recognizer/events"]]
    assert (began.message, began.values[-1].key, began.values[-1].value) == ("began", "provisional", "true")
    assert len(found["/recognizer/events"]) == len(events)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_each_distribution_gets_its_own_types_and_its_own_form_of_bag(tmp_path, recognizer, distribution):
    source = write_bag(tmp_path / "walk")
    done = label_bag(recognizer, source, tmp_path / "out", LabelBagSettings(distribution=distribution))
    kind = LabelMessages(distribution, "name").classification_type
    assert kind == f"vision_msgs/msg/{'Classification2D' if distribution == 'foxy' else 'Classification'}"
    metadata = (done.path / "metadata.yaml").read_text()
    # Before Jazzy, rosbag2 reads the offered qualities of service as a string.
    qos_line = next(line for line in metadata.splitlines() if "offered_qos_profiles" in line)
    assert qos_line.split(": ")[1] == ("''" if distribution in ("foxy", "humble") else "[]")
    # Serialised and read back by the definitions in LabelMessages, Foxy's too.
    store = LabelMessages(distribution, "name").store
    with AnyReader([done.path], default_typestore=store) as reader:
        messages = [
            store.deserialize_cdr(data, connection.msgtype)
            for connection, _, data in reader.messages()
            if connection.topic.endswith("/classification")
        ]
    field = "id" if distribution == "foxy" else "class_id"
    assert [getattr(message.results[0], field) for message in messages] == [item.label for item in expected()[0]]


@pytest.mark.parametrize("name", HASHES)
def test_the_types_are_those_of_the_real_vision_msgs(name):
    assert LabelMessages("kilted", "name").store.hash_rihs01(name) == HASHES[name]


def test_filter_options_and_class_ids_are_the_nodes(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk")
    filters = LabelSettings(top_k=2, smoothing=0.5, threshold=0.9, no_activity_label="nothing")
    settings = LabelBagSettings(filter=filters, class_id_format="index")
    label_bag(recognizer, source, tmp_path / "out", settings)
    found, _ = contents(tmp_path / "out")
    predictions, _ = expected(filters)
    results = [message.results for _, message in found["/recognizer/classification"]]
    assert [[item.class_id for item in items] for items in results] == [
        [str(item.class_id) for item in prediction.top] for prediction in predictions
    ]
    assert {"nothing"} < {message.data for _, message in found["/recognizer/label"]}
    assert {len(items) for items in results} == {2}


def test_a_stamp_that_was_not_set_is_replaced_by_the_time_of_recording(tmp_path, recognizer):
    def unset(message, _):
        message.header.stamp.sec = message.header.stamp.nanosec = 0

    source = write_bag(tmp_path / "walk", change=unset)
    label_bag(recognizer, source, tmp_path / "out", LabelBagSettings())
    found, _ = contents(tmp_path / "out")
    assert [message.data for _, message in found["/recognizer/label"]] == [item.label for item in expected()[0]]
    assert {stamp_of(message) for _, message in found["/recognizer/classification"]} == {0}  # the frame's own header


def test_images_that_cannot_be_read_are_counted_and_cost_nothing_else(tmp_path, recognizer):
    def spoil(message, index):
        if index in (20, 40):
            message.encoding = "x-ray"
        if index == 30:
            message.data = message.data[:100]

    done = label_bag(recognizer, write_bag(tmp_path / "walk", change=spoil), tmp_path / "out", LabelBagSettings())
    good = [frame for index, frame in enumerate(FRAMES) if index not in (20, 30, 40)]
    found, _ = contents(tmp_path / "out")
    assert done.unreadable == 3
    assert "x-ray" in done.last_error
    assert [message.data for _, message in found["/recognizer/label"]] == [p.label for p in expected(frames=good)[0]]


def test_labels_end_and_a_new_history_begins_where_a_recording_starts_again(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk", frames=FRAMES[:30] + FRAMES[:30])
    done = label_bag(recognizer, source, tmp_path / "out", LabelBagSettings())
    assert done.resets == 1
    found, _ = contents(tmp_path / "out")
    kinds = [message.status[0].message for _, message in found["/recognizer/events"]]
    ends = [stamp_of(message) for _, message in found["/recognizer/events"] if message.status[0].message == "ended"]
    assert kinds == ["began", "ended"] * (len(kinds) // 2)
    assert len(kinds) >= 4
    assert ends[-1] == FRAMES[29].stamp_ns
    labels = [message.data for _, message in found["/recognizer/label"]]
    half = len(labels) // 2
    assert labels[:half] == labels[half:]
