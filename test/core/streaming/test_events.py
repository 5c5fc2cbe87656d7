"""When labels began and ended."""

from __future__ import annotations

import numpy as np
import pytest

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.streaming.events import LabelEvents

SECOND = 1_000_000_000
LABELS = LabelMap(["sit", "stand", "walk"])
NOTHING = Hypothesis(-1, "no activity", 0.1)
SIT, WALK = Hypothesis(0, "sit", 0.5), Hypothesis(2, "walk", 0.9)


def shown(seconds, item, provisional=False):
    return Prediction(round(seconds * SECOND), (item,), np.zeros(3, np.float32), provisional)


def told(events):
    return [(event.kind, event.label, event.stamp_ns / SECOND, event.duration_sec) for event in events]


def test_a_label_begins_lasts_and_ends_when_another_begins():
    events = LabelEvents()
    assert told(events.update(shown(10, SIT))) == [("began", "sit", 10, 0)]
    assert events.update(shown(11, Hypothesis(0, "sit", 0.7))) == ()
    ended, began = events.update(shown(12.5, WALK))
    assert told([ended, began]) == [("ended", "sit", 12.5, 2.5), ("began", "walk", 12.5, 0)]
    assert (ended.class_id, ended.began_ns, ended.score) == (0, 10 * SECOND, pytest.approx(0.6))
    assert (began.class_id, began.began_ns, began.score) == (2, 12.5 * SECOND, 0.9)


def test_no_activity_ends_what_was_and_makes_no_events_of_its_own():
    events = LabelEvents()
    assert events.update(shown(0, NOTHING)) == ()
    events.update(shown(1, SIT))
    assert told(events.update(shown(3, NOTHING))) == [("ended", "sit", 3, 2)]
    assert events.update(shown(4, NOTHING)) == ()
    assert events.close(5 * SECOND) == ()
    assert told(events.update(shown(6, SIT))) == [("began", "sit", 6, 0)]


def test_a_class_of_the_models_own_that_is_called_no_activity_makes_no_events():
    events = LabelEvents()
    idle = Hypothesis(1, "idle", 0.9)
    assert events.update(shown(0, idle), "idle") == ()
    events.update(shown(1, SIT), "idle")
    assert told(events.update(shown(3, idle), "idle")) == [("ended", "sit", 3, 2)]
    assert told(events.update(shown(4, idle), "nothing")) == [("began", "idle", 4, 0)]


@pytest.mark.parametrize(("stamp", "ends"), [(5, 5), (None, 3), (1, 3)])
def test_closing_ends_what_holds_but_never_before_it_was_seen_last(stamp, ends):
    events = LabelEvents()
    events.update(shown(2, SIT))
    events.update(shown(3, SIT))
    assert told(events.close(None if stamp is None else stamp * SECOND)) == [("ended", "sit", ends, ends - 2)]
    assert events.close(9 * SECOND) == ()
    assert told(events.update(shown(9, SIT))) == [("began", "sit", 9, 0)]


def test_a_label_is_provisional_until_a_prediction_that_is_not_confirms_it():
    events = LabelEvents()
    assert events.update(shown(0, SIT, provisional=True))[0].provisional
    ended, began = events.update(shown(1, WALK, provisional=True))
    assert (ended.provisional, began.provisional) == (True, True)
    events.update(shown(2, WALK))
    assert [event.provisional for event in events.close()] == [False]
