"""Ranking, smoothing, threshold and patience."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_core.streaming.postprocess import LabelFilter, top_k
from opendr_har_core.streaming.settings import LabelSettings

LABELS = LabelMap(["sit", "stand", "walk"])
SECOND = 1_000_000_000


def prediction(seconds, *scores):
    array = np.array(scores, np.float32)
    return Prediction(round(seconds * SECOND), top_k(array, LABELS, 3), array)


def shown(settings, predictions):
    label_filter = LabelFilter(settings, LABELS)
    return [label_filter.update(item) for item in predictions]


def test_the_best_come_first_and_ties_by_class_id():
    top = top_k(np.array([0.2, 0.4, 0.4], np.float32), LABELS, 2)
    assert [(item.class_id, item.label) for item in top] == [(1, "stand"), (2, "walk")]


def test_smoothing_is_an_exponential_mean_over_time():
    first, second = shown(LabelSettings(smoothing=2.0), [prediction(0, 1, 0, 0), prediction(2, 0, 1, 0)])
    assert first.label == "sit"
    np.testing.assert_allclose(second.scores, [np.exp(-1), 1 - np.exp(-1), 0], rtol=1e-6)


def test_under_the_threshold_there_is_no_activity():
    (result,) = shown(LabelSettings(threshold=0.6, no_activity_label="none", top_k=2), [prediction(0, 0.2, 0.5, 0.3)])
    assert (result.top[0].class_id, result.label) == (-1, "none")
    assert result.score == pytest.approx(0.5)
    assert result.top[1].label == "stand"


def test_a_shown_label_stays_until_it_falls_well_under_the_threshold():
    scores = [
        (0.1, 0.2, 0.7),
        (0.1, 0.35, 0.55),
        (0.1, 0.48, 0.42),
        (0.1, 0.51, 0.39),
        (0.1, 0.35, 0.55),
        (0.1, 0.6, 0.3),
    ]
    predictions = [prediction(time, *row) for time, row in enumerate(scores)]
    results = shown(LabelSettings(threshold=0.6, hysteresis=0.2, no_activity_label="none", top_k=2), predictions)
    # Falls under 0.4 with the fourth; what is not shown must reach the threshold itself.
    assert [result.label for result in results] == ["walk", "walk", "walk", "none", "none", "stand"]
    assert results[2].score == pytest.approx(0.42)
    assert [item.label for item in results[2].top] == ["walk", "stand"]


def test_a_new_label_must_last_before_it_is_shown():
    walk, sit = (0.1, 0.1, 0.8), (0.8, 0.1, 0.1)
    times = [(0, walk), (1, sit), (1.5, walk), (2, sit), (2.5, sit), (3, sit), (3.5, sit)]
    results = shown(LabelSettings(min_duration_sec=1.0), [prediction(time, *scores) for time, scores in times])
    assert [result.label for result in results] == ["walk", "walk", "walk", "walk", "walk", "sit", "sit"]
    assert results[1].score == pytest.approx(0.1)


def test_reset_forgets():
    label_filter = LabelFilter(LabelSettings(smoothing=10, min_duration_sec=10), LABELS)
    label_filter.update(prediction(0, 1, 0, 0))
    label_filter.reset()
    assert label_filter.update(prediction(1, 0, 1, 0)).label == "stand"


def known(seconds, novelty):
    return replace(prediction(seconds, 0.1, 0.7, 0.2), novelty=novelty)


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({}, ["stand", "no activity", "stand"]),
        ({"reject_unknown": False}, ["stand"] * 3),
        ({"smoothing": 10.0}, ["stand"] * 3),  # the novelty is smoothed like the scores
        ({"min_duration_sec": 1.5}, ["stand"] * 3),
    ],
)
def test_what_the_model_does_not_know_is_no_activity(settings, labels):
    found = shown(LabelSettings(**settings), [known(0, 0.5), known(1, 1.1), known(2, 0.9)])
    assert [item.label for item in found] == labels


def test_smoothing_mixes_the_novelty_over_time():
    _, found = shown(LabelSettings(smoothing=2.0), [known(0, 0.0), known(2, 4.0)])
    assert found.novelty == pytest.approx(4 * (1 - np.exp(-1)))
    assert found.is_unknown
    assert found.label == "no activity"
