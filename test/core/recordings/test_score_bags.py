"""Labels and truth in bags of both storages, and where their times count from."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags")
sys.path.insert(0, str(Path(__file__).parents[1]))
from bag_cases import DELAY, FRAMES, START, TOPIC, image_message, write_bag
from rosbags.rosbag2 import StoragePlugin, Writer

from opendr_har_core import Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.datasets.bag_topic import open_topic
from opendr_har_core.errors import ConfigError, DataError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.people.detector import NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.recordings.bag_writer import EVENT, STRING, typestore
from opendr_har_core.recordings.label_bag import LabelBagSettings, label_bag
from opendr_har_core.recordings.label_video import label_people, label_video
from opendr_har_core.recordings.score_bags import read_bag
from opendr_har_core.recordings.score_files import read_labels, read_truth
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.crowd import render_crowd

STORAGES = (StoragePlugin.SQLITE3, StoragePlugin.MCAP)
SEC = 10**9
TRUTH = "/truth"
# A camera whose clock is ten seconds ahead of the recorder's.
AHEAD = 10 * SEC


def recorded(path, messages, storage=StoragePlugin.MCAP, images=True, spoilt=0):
    """A bag of images and of (topic, seconds, content): a text, or (kind, label, begin, track) for an event.

    The first images are `spoilt`.
    """
    store = typestore("kilted")
    types = store.types

    def time(seconds):
        return types["builtin_interfaces/msg/Time"](*divmod(START + AHEAD + round(seconds * SEC), SEC))

    def event(seconds, kind, label, begin, track="", score=0.75):
        header = types["std_msgs/msg/Header"](time(seconds), "front")
        duration = types["builtin_interfaces/msg/Duration"](*divmod(round((seconds - begin) * SEC), SEC))
        return types[EVENT](header, track, label, score, kind, time(begin), duration)

    with Writer(path, version=9, storage_plugin=storage) as writer:
        topics = {}
        kinds = {topic: STRING if isinstance(content, str) else EVENT for topic, _, content in messages}
        for topic, kind in {**({TOPIC: "sensor_msgs/msg/CompressedImage"} if images else {}), **kinds}.items():
            topics[topic] = kind, writer.add_connection(topic, kind, typestore=store)
        said = [
            (START + DELAY + round(seconds * SEC), topic, (seconds, content)) for topic, seconds, content in messages
        ]
        seen = [(frame.stamp_ns + DELAY, TOPIC, frame) for frame in FRAMES if images]
        for moment, topic, content in sorted([*said, *seen], key=lambda item: item[0]):
            kind, connection = topics[topic]
            if topic == TOPIC:
                message = image_message(types, content, True, content.stamp_ns + AHEAD)
                message.data = message.data[: 4 if content.stamp_ns < FRAMES[spoilt].stamp_ns else None]
            elif kind == STRING:
                message = types[STRING](content[1])
            else:
                message = event(content[0], *content[1])
            writer.write(connection, moment, store.serialize_cdr(message, kind))
    return path


def parts(found):
    return [(row.track, round(row.start_sec, 3), round(row.end_sec, 3), row.label) for row in found.rows]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default")


@pytest.mark.parametrize("storage", STORAGES)
def test_labels_of_a_bag_are_those_of_its_video(tmp_path, recognizer, storage):
    source = write_bag(tmp_path / "walk", storage)
    pipeline = LabelPipeline(recognizer.stream(), LabelSettings())
    done = label_bag(pipeline, source, tmp_path / "out", LabelBagSettings())
    video = label_video(recognizer, source)
    expected = [(s.start_sec, s.end_sec, s.label, s.score) for s in video.segments]
    found = read_labels([done.path])
    assert found.durations == {str(tmp_path / "walk").lstrip("/"): pytest.approx(video.duration_sec)}
    # A stream does not know that its last image is the last one: the video's last label holds for its interval.
    *rows, last = [(row.start_sec, row.end_sec, row.label, row.score) for row in found.rows]
    assert rows == [pytest.approx(item) for item in expected[:-1]]
    assert (last[0], last[2]) == (pytest.approx(expected[-1][0]), expected[-1][2])
    (file,) = [path for path in done.path.iterdir() if path.suffix != ".yaml"]
    assert parts(read_labels([file])) == parts(found)


def test_people_in_a_bag_have_the_boxes_of_the_video(tmp_path, recognizer):
    crowd = render_crowd(("jumping jacks", "bending"), 3.0, 10.0, (240, 320), seed=3)
    frames = [Frame(item.frame.rgb, START + item.frame.stamp_ns) for item in crowd]
    source = write_bag(tmp_path / "crowd", StoragePlugin.MCAP, frames=frames)
    pipeline = PeoplePipeline(recognizer, NanoDet(), PeopleSettings(), StreamSettings(), LabelSettings())
    found = read_labels([label_bag(pipeline, source, tmp_path / "out", LabelBagSettings()).path])
    video = label_people(recognizer, NanoDet(), source)
    assert {row.track for row in found.rows} == {person.track_id for person in video.people} == {"1", "2"}
    for person in video.people:
        (boxes,) = [box for (_, track), box in found.boxes.items() if track == person.track_id]
        times = [sample.stamp_ns / SEC for sample in person.samples]
        at = [int(abs(boxes[:, 0] - time).argmin()) for time in times]
        assert boxes[at, 0] == pytest.approx(times)
        assert boxes[at, 1:].tolist() == [pytest.approx(box, abs=1e-3) for box in person.boxes]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("images", [True, False])
def test_texts_hold_until_the_next_one_and_count_from_the_first_image(tmp_path, storage, images):
    texts = [(0.5, "walking"), (1.0, "walking"), (2.0, ""), (3.0, " waving"), (4.0, "no activity")]
    # Without images, times count from the first message.
    said = [(TRUTH, seconds + (0 if images else 0.5), text) for seconds, text in texts]
    path = recorded(tmp_path / "walk", said, storage, images)
    shift = 0 if images else -0.5
    expected = [(0.5, 1.0, "walking"), (1.0, 2.0, "walking"), (3.0, 4.0, "waving")]
    found = read_truth([path], topic=TRUTH)
    assert parts(found)[:3] == [("", start + shift, end + shift, label) for start, end, label in expected]
    assert parts(found)[3][1] == 4.0 + shift
    assert {row.recording for row in found.rows} == {str(path).lstrip("/")}


def test_events_count_from_the_stamp_of_the_first_image_and_may_be_incomplete(tmp_path):
    events = [
        ("/node/events", 1.0, (1, "bending", -3.0)),  # began before the recording
        ("/node/events", 1.5, (0, "walking", 1.5)),  # its end is lost
        ("/node/events", 2.0, (0, "waving", 2.0)),
        ("/node/events", 3.0, (1, "waving", 2.0)),
        ("/node/events", 3.5, (1, "bending", 3.25)),  # its begin is lost
        ("/node/events", 4.0, (0, "walking", 4.0)),  # holds at the end
    ]
    found = read_bag(recorded(tmp_path / "walk", events))
    (duration,) = found.durations.values()
    assert duration == pytest.approx((FRAMES[-1].stamp_ns - START) / SEC, abs=1e-6)
    assert parts(found) == [
        ("", 0.0, 1.0, "bending"),
        ("", 1.5, 2.0, "walking"),
        ("", 2.0, 3.0, "waving"),
        ("", 3.25, 3.5, "bending"),
        ("", 4.0, round(duration, 3), "walking"),
    ]
    assert {row.score for row in found.rows} == {0.75}


def test_times_count_from_the_first_image_that_can_be_used_as_those_of_labels(tmp_path):
    path = recorded(tmp_path / "walk", [(TRUTH, 2.0, "waving"), ("/node/events", 3.0, (1, "waving", 2.0))], spoilt=3)
    assert [row.start_sec for row in read_truth([path], topic=TRUTH).rows] == [pytest.approx(1.7)]
    assert [row.start_sec for row in read_bag(path).rows] == [pytest.approx(1.7)]
    source = open_topic(path)
    assert (source.stamps_ns[0], len(source.stamps_ns)) == (FRAMES[3].stamp_ns + AHEAD, len(FRAMES) - 3)


def test_texts_in_a_bag_of_labels_have_the_times_of_its_events(tmp_path, recognizer):
    pipeline = LabelPipeline(recognizer.stream(), LabelSettings())
    source = recorded(tmp_path / "walk", [])  # its two clocks differ
    out = label_bag(pipeline, source, tmp_path / "out", LabelBagSettings()).path
    events, texts = read_labels([out]), read_labels([out], "/recognizer/label")
    assert texts.durations == events.durations
    for event in events.rows:
        assert event.start_sec in [pytest.approx(text.start_sec) for text in texts.rows if text.label == event.label]


def test_the_bag_of_the_current_folder_has_a_name(tmp_path, recognizer, monkeypatch):
    monkeypatch.chdir(write_bag(tmp_path / "walk"))
    pipeline = LabelPipeline(recognizer.stream(), LabelSettings())
    found = read_bag(label_bag(pipeline, Path(), tmp_path / "out", LabelBagSettings()).path)
    assert list(found.durations) == [str(tmp_path / "walk").lstrip("/")]


@pytest.mark.parametrize(
    ("messages", "options", "expected"),
    [
        ([("/a/events", 1, (0, "x", 1)), ("/b/events", 1, (0, "x", 1))], {}, r"2 topics .*'/a/events', '/b/events'"),
        ([(TRUTH, 1, "x")], {}, "0 topics of opendr_har_msgs"),
        ([(TRUTH, 1, "x")], {"topic": "/other"}, r"no topic '/other' of .* those are \['/truth'\]"),
        ([(TRUTH, 1, "x")], {"topic": TOPIC}, f"no topic '{TOPIC}' of"),
        ([(TRUTH, 1, "x")], {"topic": TRUTH, "images": "/rear"}, "no topic '/rear'; its image topics are"),
        ([("/a/events", 1, (1, "x", 2))], {}, "'x' until 1.0 s with score 0.75 is no activity"),
        ([("/a/events", 1, (0, "x", 1, "", math.nan))], {}, "score nan"),
        ([("/a/events", -500, (0, "x", -501)), ("/a/events", -499, (1, "x", -501))], {}, "of different clocks"),
    ],
)
def test_a_bag_without_the_named_messages_is_an_error_that_says_why(tmp_path, messages, options, expected):
    with pytest.raises(DataError, match=expected):
        read_bag(recorded(tmp_path / "walk", messages), **options)


def test_a_damaged_bag_and_a_truth_without_topic_are_errors(tmp_path):
    path = recorded(tmp_path / "walk", [(TRUTH, 1, "x")])
    with pytest.raises(ConfigError, match="--truth-topic"):
        read_truth([path])
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(VideoError, match="can't be read"):
        read_truth([path], topic=TRUTH)
    shutil.rmtree(path)
    with pytest.raises(DataError, match="there are no labels"):
        read_labels([file])


@pytest.mark.parametrize("storage", STORAGES)
def test_the_command_scores_a_bag_of_labels_with_the_truth_in_its_source(tmp_path, capsys, storage):
    said = [(TRUTH, 0, "raising both arms"), (TRUTH, 3.0, "Walking"), (TRUTH, 5.0, "no activity")]
    source, out = recorded(tmp_path / "walk", said, storage), tmp_path / "walk_labels"
    assert main(["bag", str(source), "--model", "default", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["score", str(out), "--truth", str(source), "--truth-topic", TRUTH, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hours"] == pytest.approx(len(FRAMES) / 10 / 3600)
    assert (found["overall"]["events"], found["overall"]["missed"]) == (2, 0)
    assert "no activity" not in found["classes"]
