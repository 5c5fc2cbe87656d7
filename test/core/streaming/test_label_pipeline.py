"""The loop that labels frames."""

from __future__ import annotations

import numpy as np
import pytest

from opendr_har_core import Recognizer
from opendr_har_core.errors import DataError, ImageError
from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.streaming.label_pipeline import LabelPipeline, label_frames, mean_prediction
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.synthetic.scene import render_clip


@pytest.fixture
def recognizer(tiny_bundle):
    return Recognizer.open(tiny_bundle("x3d"))


@pytest.fixture
def pipeline(recognizer):
    return LabelPipeline(recognizer.stream("every_frame"), LabelSettings(smoothing=0.5, threshold=0.1))


def test_frames_come_with_predictions_filtered_labels_and_events(recognizer, pipeline):
    frames = list(render_clip("walking", 1.0, 10.0, (32, 32)))
    labelled = list(label_frames(pipeline, frames))
    raw = recognizer.stream("every_frame")
    assert [item.frame for item in labelled] == frames
    for item, frame in zip(labelled, frames):
        prediction = raw.push(frame)
        assert (item.prediction is None) == (item.shown is None) == (prediction is None)
        if prediction is not None:
            np.testing.assert_array_equal(item.prediction.scores, prediction.scores)
    assert not np.array_equal(labelled[-1].shown.scores, labelled[-1].prediction.scores)  # smoothed
    assert [event.kind for item in labelled for event in item.events][:1] == ["began"]


def test_an_unreadable_image_costs_only_itself(pipeline):
    def refuse():
        raise ImageError("no picture")

    frames = list(render_clip("walking", 1.0, 10.0, (32, 32)))
    expected = [item.shown.scores for item in label_frames(pipeline, frames) if item.shown]
    pipeline.reset()
    bad = LazyFrame(frames[4].stamp_ns + 1, (32, 32), refuse)
    found = list(label_frames(pipeline, [*frames[:5], bad, *frames[5:]]))
    assert str(found[5].error) == "no picture"
    for scores, item in zip(expected, [item for item in found if item.shown]):
        np.testing.assert_array_equal(item.shown.scores, scores)


def test_the_mean_leaves_provisional_predictions_out(tiny_bundle):
    recognizer = Recognizer.open(tiny_bundle("cox3d", "none"))
    stream = recognizer.stream("every_frame", min_frames=1)
    frames = [Frame(np.full((32, 32, 3), 20 * index, np.uint8), index * 100_000_000) for index in range(6)]
    predictions = [stream.push(frame) for frame in frames]
    assert [prediction.provisional for prediction in predictions] == [True] * 3 + [False] * 3
    mean = mean_prediction(predictions, recognizer.labels)
    np.testing.assert_allclose(mean.scores, np.mean([item.scores for item in predictions[3:]], axis=0), atol=1e-6)
    assert mean_prediction(predictions[:2], recognizer.labels).provisional
    with pytest.raises(DataError, match="no prediction to average"):
        mean_prediction([], recognizer.labels)
