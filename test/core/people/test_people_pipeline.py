"""A label for each person: on synthetic scenes with known boxes, and with the packaged detector."""

import numpy as np
import pytest

from opendr_har_core import Frame, Recognizer
from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.people.detector import Detections, NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline, people_frames
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.crowd import render_crowd

ACTIONS = ("jumping jacks", "bending")
SMALL = (240, 320)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default", threads=1)


@pytest.fixture(scope="module")
def crowd():
    """Two people with different actions, ten frames a second."""
    return list(render_crowd(ACTIONS, 4.0, 10.0, SMALL, seed=3))


def pipeline_of(recognizer, detector=None, **settings):
    return PeoplePipeline(recognizer, detector, PeopleSettings(**settings), StreamSettings(), LabelSettings())


def true_boxes(crowd):
    return Detections(
        np.stack([person.box for person in crowd.people]),
        np.ones(len(crowd.people), np.float32),
        tuple(str(person.id) for person in crowd.people),
    )


def test_each_person_has_the_label_of_the_own_action(recognizer, crowd):
    pipeline = pipeline_of(recognizer)
    found = [pipeline.push(each.frame, true_boxes(each)) for each in crowd]
    labels = {person.track_id: person.label.label for person in found[-1].people}
    assert labels == {"0": ACTIONS[0], "1": ACTIONS[1]}
    began = {(id, event.label) for people in found for id, event in people.events if event.kind == "began"}
    assert began >= {("0", ACTIONS[0]), ("1", ACTIONS[1])}


def test_the_packaged_detector_gives_boxes_and_ids_by_itself(recognizer):
    pipeline = pipeline_of(recognizer, NanoDet(threads=1))
    ids = set()
    for each in render_crowd(("waving both hands",), 2.0, 10.0, SMALL, seed=2):
        people = pipeline.push(each.frame).people
        ids |= {person.track_id for person in people}
    assert ids == {"1"}
    assert np.abs(np.array(people[0].box) - each.people[0].box).max() < 0.15 * SMALL[0]
    assert people[0].label is not None


def test_only_the_nearest_have_labels(recognizer, crowd):
    pipeline = pipeline_of(recognizer, max_people=1)
    tallest = max(crowd[0].people, key=lambda person: person.box[3] - person.box[1])
    for each in crowd[:15]:
        people = pipeline.push(each.frame, true_boxes(each)).people
        assert [person.track_id for person in people] == [str(tallest.id)]


def test_a_person_who_leaves_for_less_than_two_seconds_keeps_the_label(recognizer, crowd):
    pipeline = pipeline_of(recognizer)
    for index, each in enumerate(crowd):
        boxes = true_boxes(each)
        if 20 <= index < 35:  # one of them is not seen
            boxes = Detections(boxes.boxes[:1], boxes.scores[:1], boxes.ids[:1])
        found = pipeline.push(each.frame, boxes)
        if index == 30:
            assert [person.track_id for person in found.people] == ["0"]
    assert not any(event.kind == "ended" for _, event in found.events)
    assert {person.track_id: person.label.label for person in found.people}["1"] == ACTIONS[1]


@pytest.mark.parametrize(
    ("stamp_sec", "size", "reason"),
    [(30.0, SMALL, "gap of"), (0.2, SMALL, "went back"), (2.1, (200, 320), "frame size changed")],
)
def test_another_camera_or_clock_ends_all_tracks(recognizer, crowd, stamp_sec, size, reason):
    pipeline = pipeline_of(recognizer)
    for each in crowd[:20]:
        pipeline.push(each.frame, true_boxes(each))
    found = pipeline.push(Frame(np.zeros((*size, 3), np.uint8), round(stamp_sec * 1e9)))
    assert reason in found.reset
    assert found.people == ()
    assert {event.kind for _, event in found.events} == {"ended"}


def test_ids_are_not_used_again_after_a_reset(recognizer, crowd):
    pipeline = pipeline_of(recognizer)
    ids = set()
    for each in crowd[:3]:
        boxes = true_boxes(each)
        ids |= {person.track_id for person in pipeline.push(each.frame, Detections(boxes.boxes, boxes.scores)).people}
    pipeline.reset()
    for each in crowd[3:6]:
        boxes = true_boxes(each)
        people = pipeline.push(each.frame, Detections(boxes.boxes, boxes.scores)).people
    assert people
    assert not ids & {person.track_id for person in people}


def test_whoever_walks_out_of_the_image_is_not_shown_beside_it(recognizer):
    pipeline = pipeline_of(recognizer)
    last = []
    for index in range(10):
        left = 200.0 + 20 * index  # out of the image of 320 columns after 0.6 s
        box = Detections(np.array([[left, 40, left + 50, 200]], np.float32), np.ones(1, np.float32))
        frame = Frame(np.full((*SMALL, 3), 90, np.uint8), round(index * 1e8))
        people = pipeline.push(frame, box if left < 310 else None).people
        last = [person.box for person in people] or last
        assert all(0 <= person.box[0] < person.box[2] <= SMALL[1] for person in people)
    assert last[0][2] == SMALL[1]
    assert people == ()


def test_a_late_frame_changes_nothing(recognizer, crowd):
    pipeline = pipeline_of(recognizer)
    for each in crowd[:20]:
        before = pipeline.push(each.frame, true_boxes(each))
    assert pipeline.push(crowd[18].frame, true_boxes(crowd[18])).people == before.people


def test_a_loop_over_frames_gives_no_label_or_event_twice(recognizer, crowd):
    frames = [each.frame for each in crowd[:25]]
    once, twice = (
        list(people_frames(pipeline_of(recognizer, NanoDet(threads=1)), given))
        for given in (frames, [frame for frame in frames for _ in range(2)])
    )
    new, events = (
        [sum(person.is_new for item in items for person in item.people.people) for items in (once, twice)],
        [[event for item in items for event in item.people.events] for items in (once, twice)],
    )
    assert new[0] == new[1] > 0
    assert events[0] == events[1] != []


def test_labels_that_end_with_a_gap_are_told_although_its_first_frame_is_unreadable(recognizer, crowd):
    pipeline = pipeline_of(recognizer, NanoDet(threads=1))
    for each in crowd[:20]:
        pipeline.push(each.frame, true_boxes(each))

    def decode():
        raise ImageError("torn")

    with pytest.raises(ImageError, match="torn"):
        pipeline.push(LazyFrame(round(30e9), SMALL, decode))
    found = pipeline.push(Frame(np.zeros((*SMALL, 3), np.uint8), round(30.1e9)))
    assert "gap of" in found.reset
    assert {event.kind for _, event in found.events} == {"ended"}


def test_an_unreadable_frame_leaves_the_labels(recognizer, crowd):
    pipeline = pipeline_of(recognizer, NanoDet(threads=1))
    for each in crowd[:12]:
        before = pipeline.push(each.frame)

    def decode():
        raise ImageError("torn")

    with pytest.raises(ImageError, match="torn"):
        pipeline.push(LazyFrame(round(1.4e9), SMALL, decode))
    after = pipeline.push(crowd[15].frame).people
    assert [person.track_id for person in after] == [person.track_id for person in before.people]


@pytest.mark.parametrize(
    ("rate", "most", "offset_ns"), [(30, 1, 0), (30, 1, 14_000_000), (10, 3, 7_000_000), (5, 5, 0)]
)
def test_people_take_turns_and_keep_off_the_detector(recognizer, rate, most, offset_ns):
    """Eight people appear at once: a frame has one step, or few at a low rate, and at 30 Hz none if it is detected."""
    boxes = np.array([(40 * index, 20, 40 * index + 30, 200) for index in range(8)], np.float32)
    detected = []

    class Detector:
        def detect(self, rgb):
            detected.append(number)
            return Detections(boxes, np.ones(8, np.float32))

    pipeline, labels = pipeline_of(recognizer, Detector()), {}
    image = np.zeros((*SMALL, 3), np.uint8)
    for number in range(4 * rate):
        people = pipeline.push(Frame(image, 10**18 + offset_ns + number * 10**9 // rate)).people
        labels[number] = [person.track_id for person in people if person.is_new]
    assert len(detected) in (20, 21)
    assert max(map(len, labels.values())) <= most
    spread = [id for ids in labels.values() for id in ids]
    assert all(spread.count(str(id)) in (6, 7) for id in range(1, 9))
    if rate == 30:
        assert not any(labels[number] for number in detected)
