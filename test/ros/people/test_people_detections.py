"""The node `people` with the boxes of another detector: the same labels, and every fault of a detector."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from people_support import ACTIONS, NODE, PARAMETERS, SMALL, Scene, boxes_of, crowd, detection, mean_labels
from recognizer_support import START_NS, stamp_ns, status_with

from opendr_har_core import Frame, Recognizer
from opendr_har_core.people.detector import NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

TOPIC = {**PARAMETERS, "detector": "topic"}
INFINITE, NAN = float("inf"), float("nan")
WIDTH, HEIGHT = SMALL[1], SMALL[0]
GOOD = (100.0, 40.0, 160.0, 200.0)


def true_items(scene):
    return [detection(box, id) for id, box in boxes_of(scene)]


def test_boxes_of_another_detector_give_the_labels_that_the_packaged_one_gives_on_the_same_boxes(start, client):
    frames = crowd(("waving both hands",), 3.0, seed=2)
    stamped = [Frame(each.frame.rgb, START_NS + each.frame.stamp_ns) for each in frames]
    detector = NanoDet(threads=1)
    found = {each.frame.stamp_ns: detector.detect(each.frame.rgb) for each in frames}

    class Replayed:
        def detect(self, rgb):
            return next(found[each.frame.stamp_ns] for each in frames if each.frame.rgb is rgb)

    settings = PeopleSettings(detector_hz=100)
    pipeline = PeoplePipeline(Recognizer.open("default"), Replayed(), settings, StreamSettings(), LabelSettings())
    expected = []
    for frame in stamped:
        people = pipeline.push(frame).people
        expected.append([(p.track_id, p.box, p.label.label if p.label else None) for p in people])
    start("people", {**TOPIC, "detections_wait_sec": 2.0})
    scene = Scene(client)
    for each, people in zip(frames, expected):
        boxes = found[each.frame.stamp_ns]
        items = [detection(box, score=float(score)) for box, score in zip(boxes.boxes, boxes.scores)]
        answer = scene.show(each.frame, items).detections
        assert [person.id for person in answer] == [id for id, _, _ in people]
        for person, (_, (left, top, right, bottom), label) in zip(answer, people):
            assert person.bbox.center.position.x == pytest.approx((left + right) / 2, abs=0.01)
            assert person.bbox.size_y == pytest.approx(bottom - top, abs=0.01)
            assert [result.hypothesis.class_id for result in person.results][:1] == ([label] if label else [])
    assert label == "waving both hands"


def test_ids_of_the_detector_are_the_track_ids_and_events_carry_them(start, client):
    messages = pytest.importorskip("opendr_har_msgs.msg")
    start("people", {**TOPIC, "top_k": 3})
    scene = Scene(client)
    events = client.collect(messages.ActivityEvent, f"{NODE}/events")
    answers = []
    for each in crowd():
        items = [detection(box, f"robot/{id}") for id, box in boxes_of(each)]
        answers.append(scene.show(each.frame, items))
    assert stamp_ns(answers[0].header) == START_NS
    assert answers[0].header.frame_id == "front"
    assert [len(person.results) for person in answers[0].detections] == [0, 0]
    assert {len(person.results) for person in answers[-1].detections} == {3}
    assert mean_labels(answers[-15:]) == {"robot/0": ACTIONS[0], "robot/1": ACTIONS[1]}
    client.until(
        lambda: (
            {(e.track_id, e.class_id) for e in events if e.kind == messages.ActivityEvent.BEGAN}
            >= {("robot/0", ACTIONS[0]), ("robot/1", ACTIONS[1])}
        ),
        what="events of both",
    )


@pytest.mark.parametrize(
    ("person_class", "class_ids"), [("", [None, "", "person", "0", "car", "1"]), ("1", ["1", "0", "person", None])]
)
def test_only_people_count(start, client, person_class, class_ids):
    start("people", {**TOPIC, **({"person_class": f"'{person_class}'"} if person_class else {})})
    scene = Scene(client)
    items = [
        detection((20.0 * index, 20.0, 20.0 * index + 18, 80.0), f"id{index}", class_id=class_id)
        for index, class_id in enumerate(class_ids)
    ]
    frame = crowd(seconds=0.1)[0].frame
    taken = {"": {"id0", "id1", "id2", "id3"}, "1": {"id0", "id3"}}
    assert {person.id for person in scene.show(frame, items).detections} == taken[person_class]


def test_unusable_boxes_are_left_out_and_counted_and_the_others_keep_their_labels(start, client):
    node = start("people", {**TOPIC, "max_people": 100, "detections_wait_sec": 2.0})
    scene = Scene(client)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    bad = {
        "NaN": [detection((NAN, 0.0, 10.0, 10.0), "a")],
        "infinite": [detection((0.0, 0.0, INFINITE, 10.0), "a"), detection((0.0, 0.0, 1e300, 1e300), "b")],
        "negative size": [detection((50.0, 50.0, 40.0, 40.0), "a")],
        "empty": [detection((50.0, 50.0, 50.0, 50.0), "a")],
        "huge": [detection((-1e6, -1e6, 1e6, 1e6), "a")],
        "score": [detection(GOOD, "a", score=NAN), detection(GOOD, "b", score=7.0), detection(GOOD, "c", score=-1.0)],
        "repeated id": [detection(GOOD, "0", score=0.1)],
    }
    rejected = 0
    for each, items in zip(crowd(seconds=0.7), bad.values()):
        answer = scene.show(each.frame, [*true_items(each), *items])
        assert {person.id for person in answer.detections} == {"0", "1"}
        rejected += len(items)
    assert client.until(lambda: status_with(diagnostics, boxes_rejected=str(rejected)), what="the count of rejected")
    outside = [detection((-500.0, -500.0, -400.0, -300.0), "out"), detection((-700.0, -200.0, 1020.0, 440.0), "around")]
    shown = {person.id: person.bbox for person in scene.show(shifted(crowd(seconds=0.1)[0], 0.8), outside).detections}
    assert "out" not in shown
    assert (shown["around"].center.position.x, shown["around"].size_x) == (WIDTH / 2, WIDTH)  # cut to the image
    many = [detection((x, 10.0, x + 20, 60.0), f"m{x}") for x in np.linspace(0, WIDTH, 1000).tolist()]
    answer = scene.show(shifted(crowd(seconds=0.1)[0], 0.9), many)
    assert len(answer.detections) == 100
    client.until(lambda: status_with(diagnostics, boxes_rejected=str(rejected + 900)), what="the count of rejected")
    assert node.output.count("boxes are not usable") <= 3


def test_detections_that_stop_leave_predictions_and_a_warning(start, client):
    start("people", TOPIC)
    scene = Scene(client)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    frames = crowd(seconds=3.0)
    for each in frames[:10]:
        scene.show(each.frame, true_items(each))
    assert {person.id for person in scene.show(frames[10].frame).detections} == {"0", "1"}  # predicted
    begun = time.monotonic()
    for each in frames[11:20]:
        scene.show(each.frame)
    assert time.monotonic() - begun < 9 * 2.0
    assert scene.people[-1].detections == []
    assert client.until(lambda: status_with(diagnostics, message="no detections for"), what="a warning")
    answer = scene.show(frames[20].frame, true_items(frames[20]))
    assert {person.id for person in answer.detections} == {"0", "1"}


def test_a_detector_that_lags_stalls_nothing_and_is_reported(start, client):
    start("people", {**TOPIC, "detections_wait_sec": 0.1})
    scene = Scene(client)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    frames = crowd(seconds=4.0)
    for index, each in enumerate(frames):
        if index >= 20:
            scene.detect(true_items(frames[index - 20]), frames[index - 20].frame.stamp_ns)
        scene.show(each.frame)
    assert len(scene.people) == len(frames)
    status = client.until(
        lambda: status_with(diagnostics, message="detections_wait_sec", detections_late="20"), what="a warning"
    )
    assert "detections arrive 2.0" in status.message or "detections arrive 1.9" in status.message


@pytest.mark.parametrize("shift_ns", [10**18, 10**7, -(10**7)])
def test_detections_with_other_stamps_stall_nothing_and_are_reported(start, client, shift_ns):
    start("people", {**TOPIC, "detections_wait_sec": 0.1})
    scene = Scene(client)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    for each in crowd(seconds=4.0):
        scene.detect(true_items(each), each.frame.stamp_ns + shift_ns)
        scene.show(each.frame)
    assert len(scene.people) == 40
    client.until(lambda: status_with(diagnostics, message="copy the image's header"), what="a warning")


def shifted(scene, seconds):
    return Frame(scene.frame.rgb, round(seconds * 10**9))
