"""Tracks: stable ids through crossings, missed detections and false alarms."""

import numpy as np
import pytest

from opendr_har_core.people.detector import Detections
from opendr_har_core.people.tracker import Tracker
from opendr_har_core.spec import NANOSECONDS

PERIOD = 0.2
RED, BLUE = (200, 40, 40), (40, 40, 200)


def person(x, y=100.0, height=120.0, score=0.7, id=""):
    """(box, score, id) of a person whose box is half as wide as high."""
    return (x - height / 4, y - height / 2, x + height / 4, y + height / 2), score, id


def detections(*people):
    boxes, scores, ids = zip(*people) if people else ((), (), ())
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), ids if any(ids) else ())


def painted(people, colours):
    """An image of people in these colours."""
    rgb = np.full((240, 640, 3), 90, np.uint8)
    for (box, _, _), colour in zip(people, colours):
        left, top, right, bottom = np.array(box).clip(0).astype(int)
        rgb[top:bottom, left:right] = colour
    return rgb


def show(tracker, *moments, start=0.0, colours=None):
    """Update with each moment's people, PERIOD apart; the ids of the tracks after each."""
    ids = []
    for index, people in enumerate(moments):
        rgb = None if colours is None else painted(people, colours)
        tracker.update(detections(*people), round((start + index * PERIOD) * NANOSECONDS), rgb)
        ids.append({track.id: track for track in tracker.tracks()})
    return ids


def test_people_who_cross_keep_their_ids():
    speed = 90.0  # pixels per second, of people 120 pixels tall
    paths = [(100 + speed * PERIOD * index, 460 - speed * PERIOD * index) for index in range(20)]
    # While one covers the other, the detector sees one person.
    moments = [[person(a), person(b, y=104)] if abs(a - b) > 40 else [person(a)] for a, b in paths]
    last = show(Tracker(), *moments)[-1]
    assert len(last) == 2
    assert last["1"].centre[0] == pytest.approx(paths[-1][0], abs=15)
    assert last["2"].centre[0] == pytest.approx(paths[-1][1], abs=15)


@pytest.mark.parametrize("colours", [None, (RED, BLUE)])
def test_people_who_meet_and_turn_back_are_told_apart_by_their_colours(colours):
    step = 15.0
    there = [(100 + step * index, 340 - step * index) for index in range(8)]
    # They stop in front of one another for a moment, hardly apart: motion alone expects them to pass.
    moments = [[person(a), person(b)] for a, b in [*there, (215, 225), (215, 225), *there[::-1]]]
    last = show(Tracker(), *moments, colours=colours)[-1]
    assert (last["1"].centre[0] < last["2"].centre[0]) == (colours is not None)


@pytest.mark.parametrize(("second", "is_same"), [(RED, True), (BLUE, False)])
def test_a_person_who_was_missed_is_recognized_elsewhere_by_the_colours(second, is_same):
    tracker = Tracker()
    show(tracker, *[[person(100)]] * 5, colours=[RED])
    ids = show(tracker, *[[person(260)]] * 3, start=5 * PERIOD + 1.0, colours=[second])
    assert (set(ids[-1]) == {"1"}) == is_same


@pytest.mark.parametrize(("missed_sec", "is_same"), [(1.0, True), (1.8, True), (2.6, False)])
def test_a_person_out_of_sight_keeps_the_id_for_two_seconds(missed_sec, is_same):
    tracker = Tracker(keep_sec=2.0)
    show(tracker, *[[person(100)]] * 5)
    missed = [[]] * round(missed_sec / PERIOD)
    ids = show(tracker, *missed, [person(110)], [person(110)], [person(110)], start=5 * PERIOD)
    assert set(ids[-1]) == ({"1"} if is_same else {"2"})


def test_a_single_detection_is_no_track():
    assert not any(show(Tracker(), [person(100)], [], [person(300)], []))


def test_doubtful_detections_continue_a_track_and_start_none():
    doubtful = [person(100, score=0.25)]
    assert not any(show(Tracker(), *[doubtful] * 5))
    assert set(show(Tracker(), [person(100)], [person(100)], *[doubtful] * 15)[-1]) == {"1"}


@pytest.mark.parametrize("arm_score", [0.3, 0.55])
def test_an_arm_is_no_person(arm_score):
    arm = ((95.0, 60.0, 110.0, 100.0), arm_score, "")
    assert set(show(Tracker(), *[[person(100), arm]] * 5)[-1]) == {"1"}


def test_ids_of_a_detector_that_tracks_are_believed():
    ids = show(Tracker(), [person(100, id="a"), person(300, id="b")], [person(300, id="a"), person(100, id="b")])
    assert set(ids[0]) == {"a", "b"}
    assert ids[1]["a"].centre[0] > ids[1]["b"].centre[0]


def test_many_who_come_and_go_leave_nothing_behind():
    tracker, rng = Tracker(), np.random.default_rng(0)
    most = 0
    for index in range(2000):
        people = [person(float(x), score=float(score)) for x, score in rng.uniform((0, 0), (4000, 1), (8, 2))]
        tracker.update(detections(*people), round(index * PERIOD * NANOSECONDS))
        most = max(most, len(tracker.tracks()))
    assert most < 8 * 2.0 / PERIOD
    tracker.update(detections(), round(1e6 * NANOSECONDS))
    assert tracker.tracks() == []
