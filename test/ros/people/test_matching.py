"""Images wait for the detections of their stamp, but never for long."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
from opendr_har_core.people.detector import Detections
from opendr_har_ros.people.matching import BEHIND_SEC, MOST_WAITING, StampMatcher

WAIT = 0.25
FRAME_NS = 100_000_000


@pytest.fixture
def matcher():
    return StampMatcher(WAIT)


def found(number=1):
    return Detections(np.full((number, 4), 9, np.float32), np.ones(number, np.float32))


def test_an_image_is_ready_when_detections_of_its_stamp_or_a_later_one_have_come(matcher):
    for index in range(3):
        matcher.add_image(index, index * FRAME_NS, now=0.1 * index)
    assert matcher.due_sec(0.2) == pytest.approx(0.05)
    matcher.add_detections(found(), 2 * FRAME_NS + 1000, now=0.2)
    taken = []
    while matcher.due_sec(0.2) == 0:
        taken.append(matcher.take())
    assert [(each.message, each.detections is not None) for each in taken] == [(0, False), (1, False), (2, True)]
    assert (matcher.counts(0.3).matched, matcher.due_sec(0.2)) == (1, None)


def test_an_image_is_ready_after_the_wait_without_detections(matcher):
    matcher.add_image("image", 0, now=5.0)
    assert matcher.due_sec(5.0) == WAIT
    assert matcher.due_sec(5.3) == 0
    assert matcher.take().detections is None


def test_detections_that_come_before_their_image_are_kept(matcher):
    matcher.add_detections(found(), FRAME_NS, now=0.0)
    matcher.add_image("image", FRAME_NS, now=0.1)
    assert matcher.due_sec(0.1) == 0
    assert matcher.take().detections is not None


def test_after_stamps_went_back_images_wait_again(matcher):
    matcher.add_image("last", 9 * FRAME_NS, now=0.0)
    matcher.add_detections(found(), 9 * FRAME_NS, now=0.0)
    matcher.take()
    matcher.add_image("first", 0, now=1.0)
    matcher.add_detections(found(), 0, now=1.0)
    assert matcher.take().detections is not None
    matcher.add_image("second", FRAME_NS, now=1.1)
    assert matcher.due_sec(1.1) == WAIT


@pytest.mark.parametrize(("offset_ns", "kind"), [(-FRAME_NS, "late"), (-(10**18), "unmatched"), (10**18, "unmatched")])
def test_late_and_foreign_detections_are_counted_and_do_not_pile_up(matcher, offset_ns, kind):
    for index in range(100):
        stamp_ns = 10**18 + index * FRAME_NS
        matcher.add_image(index, stamp_ns, now=0.1 * index)
        if index:
            matcher.add_detections(found(), stamp_ns + offset_ns, now=0.1 * index)
        matcher.take()
        if index and kind == "late":
            assert matcher.counts(0.1 * index).late == index
    counts = matcher.counts(9.9)
    assert getattr(counts, kind) >= 80
    assert counts.in_a_row == counts.late + counts.unmatched
    assert (counts.matched, counts.received) == (0, 99)


def test_images_are_dropped_when_there_are_too_many_or_they_are_overdue(matcher):
    assert [matcher.add_image(index, index, now=0.0) for index in range(MOST_WAITING + 1)][-2:] == [False, True]
    matcher.add_image("newest", 10**9, now=1.0)
    assert matcher.drop_old(1.0 + WAIT + BEHIND_SEC + 1) == MOST_WAITING - 1
    assert matcher.take().message == "newest"
