"""`opendr-har bag`: labels of recordings, as recordings; sqlite3 and mcap, raw and compressed, any distribution."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags")
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from opendr_har_core import Recognizer
from opendr_har_core.bags.label_bag import LabelBagSettings, label_bag, labels_path
from opendr_har_core.bags.label_messages import DISTRIBUTIONS, LabelMessages
from opendr_har_core.cli.main import main
from opendr_har_core.errors import ConfigError, DataError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.labelling import Labelling
from opendr_har_core.postprocess import FilterSettings
from opendr_har_core.synth.scene import render_clip

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "/camera/image_raw"
START = 1_700_000_000_000_000_000
DELAY = 7_000_000
# Of the real package.
HASHES = {
    "vision_msgs/msg/ObjectHypothesis": "RIHS01_51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90",
    "vision_msgs/msg/Classification": "RIHS01_f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143",
}


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
    for name in ("ObjectHypothesis", "Classification"):
        text = (ROOT / "interfaces" / "vision_msgs" / "msg" / f"{name}.msg").read_text()
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    with AnyReader([path], default_typestore=store) as reader:
        found = {connection.topic: [] for connection in reader.connections}
        for connection, time, data in reader.messages():
            found[connection.topic].append((time, reader.deserialize(data, connection.msgtype)))
        return found, {connection.topic: connection.msgtype for connection in reader.connections}


def stamp_of(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def expected(settings=None, frames=FRAMES, **stream):
    labelling = Labelling(Recognizer.open("default").stream(top_k=1, **stream), settings or FilterSettings())
    predictions, events = [], []
    for frame in frames:
        prediction, new = labelling.push(frame)
        predictions += [prediction] if prediction else []
        events += new
    return predictions, [*events, *labelling.reset()]


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
    filters = FilterSettings(smoothing_sec=0.2, hysteresis=0.1)
    predictions, events = expected(filters, sampling="dense", warm_start="repeat")
    assert len(predictions) == len(FRAMES)
    scores = [message.score for _, message in found["/recognizer/hypothesis"]]
    assert scores == [item.score for item in predictions]
    assert len(found["/recognizer/events"]) == len(events)
    assert [message.data for _, message in found["/recognizer/provisional"]] == [True, False]
    certain = next(item for item in predictions if not item.provisional)
    assert found["/recognizer/provisional"][1][0] == certain.stamp_ns + DELAY


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
    filters = FilterSettings(top_k=2, smoothing_sec=0.5, threshold=0.9, no_activity_label="nothing")
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


def test_a_bag_of_one_file_is_named_after_it(tmp_path, recognizer):
    folder = write_bag(tmp_path / "walk", StoragePlugin.MCAP)
    (file,) = folder.glob("*.mcap")
    assert labels_path(file) == folder / f"{file.stem}_labels"
    done = label_bag(recognizer, file, labels_path(file), LabelBagSettings())
    assert done.labels == len(expected()[0])
    assert [path.suffix for path in done.path.glob("walk_labels*")] == [".mcap"]


def test_nothing_is_overwritten(tmp_path, recognizer, capsys):
    source = write_bag(tmp_path / "walk")
    (tmp_path / "walk_labels").mkdir()
    assert main(["bag", str(source)]) == 1
    assert "walk_labels is there already and is not overwritten" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="not overwritten"):
        label_bag(recognizer, source, tmp_path / "walk_labels", LabelBagSettings())
    assert list((tmp_path / "walk_labels").iterdir()) == []


def test_a_bag_with_several_image_topics_wants_one_to_be_named(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk", topics=("/front", "/rear"))
    with pytest.raises(VideoError, match=r"2 topics of images, \['/front', '/rear'\]; say which"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings())
    with pytest.raises(VideoError, match="no topic '/side'"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings(topic="/side"))
    assert label_bag(recognizer, source, tmp_path / "out", LabelBagSettings(topic="/rear")).labels > 5


def test_a_failure_half_way_leaves_nothing_behind(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk")

    def fail(done, _):
        if done == 30:
            raise OSError("no space left")

    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="out can't be written: OSError: no space left"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings(), fail)
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(DataError, match="can't be written"):
        label_bag(recognizer, source, tmp_path / "none" / "out", LabelBagSettings())


def test_a_damaged_bag_is_named_and_leaves_nothing_behind(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk", StoragePlugin.MCAP)
    (file,) = source.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(VideoError, match="walk can't be read"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings())
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_an_interrupted_run_leaves_nothing_half_written(tmp_path):
    """A real Ctrl-C, in a process of its own."""
    source = write_bag(tmp_path / "walk", frames=FRAMES[:60] * 40)
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from opendr_har_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "bag", str(source)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    while not list(tmp_path.glob(".walk_labels.*/walk_labels")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_the_command_says_what_it_did_and_loads_no_torch(tmp_path):
    source = write_bag(tmp_path / "walk")
    code = "import json, sys; from opendr_har_core.cli.main import main; code = main(sys.argv[1:])\n"
    code += "print(json.dumps([code, sorted({'torch', 'rclpy', 'onnx'} & set(sys.modules))]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "bag", str(source), "--top-k", "1", "--output", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    said, report = done.stdout.splitlines()
    predictions, events = expected()
    assert said == f"{tmp_path / 'out'}: {len(predictions)} labels and {len(events)} events of {len(FRAMES)} images"
    assert json.loads(report) == [0, []]
    assert done.stderr == ""  # progress is for terminals only
    found, _ = contents(tmp_path / "out")
    assert {len(message.results) for _, message in found["/recognizer/classification"]} == {1}
