"""Features of a model, and heads that are applied to them and changed between two frames."""

from __future__ import annotations

import numpy as np
import pytest
from head_cases import nearest_mean
from stream_cases import ArithmeticBackend, exact, frames

from opendr_har_core import Recognizer
from opendr_har_core.errors import ModelError
from opendr_har_core.people.detector import Detections
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

# The feature of an ArithmeticBackend is a weighted sum of grey levels.
DARK_OR_BRIGHT = nearest_mean({"dark": [0.0], "bright": [1000.0]})
BRIGHT_OR_DARK = nearest_mean({"bright": [1000.0], "dark": [0.0]})
BRIGHT_OR_OFF = nearest_mean({"bright": [1000.0], "off": [0.0]})
EVERY = StreamSettings(sampling="every_frame")


def test_predictions_carry_the_features_and_the_scores_of_the_head(recognizer):
    taught = recognizer.with_head(DARK_OR_BRIGHT)
    assert (taught.labels.names, taught.base_labels.names) == (("dark", "bright"), ("a", "b", "c"))
    assert (taught.head, recognizer.head, taught.with_head(None).labels) == (DARK_OR_BRIGHT, None, recognizer.labels)
    shown = frames(20)
    base, ours = (list(map(each.stream("every_frame").push, shown)) for each in (recognizer, taught))
    for one, other in zip(base[-5:], ours[-5:]):
        np.testing.assert_array_equal(one.features, other.features)
        expected, _ = DARK_OR_BRIGHT.apply(one.features[None], one.scores[None])
        np.testing.assert_array_equal(other.scores, expected[0])
        assert other.label == "dark"
        assert len(other.top) == 2


def test_streams_with_different_heads_share_one_step(backend, recognizer):
    streams = [each.stream("every_frame") for each in (recognizer, recognizer.with_head(DARK_OR_BRIGHT))]
    for frame in frames(10):
        found = recognizer.push_many([(stream, frame) for stream in streams])
    assert backend.calls <= 10
    assert [len(prediction.scores) for prediction in found] == [3, 2]


def test_a_changed_head_keeps_the_history(recognizer):
    shown = frames(30)
    steady, changed = recognizer.stream("every_frame"), recognizer.stream("every_frame")
    expected = exact(map(steady.push, shown))
    found = []
    for index, frame in enumerate(shown):
        if index in (10, 20):
            changed.change_head(DARK_OR_BRIGHT if index == 10 else None)
        found.append(changed.push(frame))
    assert exact(found[:10]) == expected[:10]
    assert exact(found[20:]) == expected[20:]
    assert {prediction.label for prediction in found[10:20]} == {"dark"}


def test_a_head_that_does_not_fit_is_refused_and_changes_nothing(recognizer):
    wrong = nearest_mean({"dark": [0.0, 0.0], "bright": [1.0, 1.0]})
    stream = recognizer.stream("every_frame")
    for use in (recognizer.with_head, stream.change_head, LabelPipeline(stream, LabelSettings()).change_head):
        with pytest.raises(ModelError, match="does not fit"):
            use(wrong)
    assert stream.head is None


def test_features_of_a_sequence_are_those_of_its_predictions(recognizer):
    shown = frames(40)
    expected = [prediction.features for prediction in map(recognizer.stream().push, shown) if prediction]
    found = recognizer.features(shown)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert len(recognizer.features(shown, StreamSettings(warm_start="repeat"))) > len(found)
    assert recognizer.features([]).shape == (0, 1)


def test_a_bundle_without_features_says_so():
    backend = ArithmeticBackend("x3d")
    backend.features = 0
    with pytest.raises(ModelError, match="gives no features; export it again"):
        Recognizer(backend).features(frames(3))


def test_whole_clips_are_classified_by_the_head():
    taught = Recognizer(ArithmeticBackend("x3d"), DARK_OR_BRIGHT)
    clips = np.stack([np.full((3, 8, 8, 3), level, np.uint8) for level in (10, 250)])
    assert taught.classify_clips(clips).shape == (2, 2)
    assert taught.classify_clips(clips[:0]).shape == (0, 2)


@pytest.mark.parametrize(("head", "ended"), [(BRIGHT_OR_DARK, []), (BRIGHT_OR_OFF, ["dark"])])
def test_a_label_ends_with_a_head_that_does_not_have_it(recognizer, head, ended):
    stream = recognizer.with_head(DARK_OR_BRIGHT).stream("every_frame")
    pipeline = LabelPipeline(stream, LabelSettings(smoothing=5.0))
    shown = frames(20)
    events = [event for frame in shown[:10] for event in pipeline.push(frame)[1]]
    assert [(event.kind, event.label) for event in events] == [("began", "dark")]
    assert [event.label for event in pipeline.change_head(head)] == ended
    prediction, events = pipeline.push(shown[10])
    assert len(prediction.scores) == 2
    assert [event.kind for event in events] == (["began"] if ended else [])
    (closed,) = pipeline.close(shown[10].stamp_ns)
    assert (closed.label, closed.class_id) == ("off" if ended else "dark", 1)


def test_people_change_their_head_together_and_keep_their_history(recognizer):
    pipeline = PeoplePipeline(recognizer, None, PeopleSettings(), EVERY, LabelSettings())
    boxes = Detections(np.array([[2.0, 2, 8, 11], [9, 1, 14, 10]]), np.ones(2, np.float32), ("1", "2"))
    shown = frames(24)
    for frame in shown[:12]:
        people = pipeline.push(frame, boxes)
    old = {person.label.label for person in people.people}
    ended = pipeline.change_head(DARK_OR_BRIGHT)
    assert {(id, event.label) for id, event in ended} == {(id, label) for id in ("1", "2") for label in old}
    people = pipeline.push(shown[12], boxes)
    assert [person.label.label for person in people.people] == ["dark", "dark"]
    one_more = Detections(
        np.array([[2.0, 2, 8, 11], [9, 1, 14, 10], [5, 3, 9, 9]]), np.ones(3, np.float32), ("1", "2", "3")
    )
    for frame in shown[13:]:
        people = pipeline.push(frame, one_more)
    assert {person.label.label for person in people.people} == {"dark"}
    assert len(people.people) == 3
