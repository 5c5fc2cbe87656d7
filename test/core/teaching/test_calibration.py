"""Heads calibrated on background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from teaching_cases import Actions, stretch

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.labels import LabelMap
from opendr_har_core.teaching.calibration import calibrate, calibration_error
from opendr_har_core.teaching.fit import fit_head

NAMES = ("wave", "stop")


@pytest.fixture
def actions():
    return Actions(NAMES)


def positives(actions, count=10):
    return {name: [stretch(showing) for showing in group] for name, group in actions.examples(count).items()}


def test_background_gives_no_labels_afterwards_and_the_actions_still_do(actions):
    head = fit_head(actions.examples(3))
    background = [actions.background() for _ in range(4)]
    result = calibrate(head, background, 0.4, 2.0, positives(actions))
    assert result.false_alarms_before > 30
    assert result.false_alarms <= 2
    assert result.recall > 0.9
    assert result.hours == pytest.approx(800 * 0.4 / 3600)
    _, novelty = result.head.apply(*reversed(background[0]))
    assert (novelty > 1).all()


def test_temperature_brings_scores_near_to_the_share_that_is_right(actions):
    actions.centres["stop"] = actions.centres["wave"]
    certain = replace(fit_head(actions.examples(3)), temperature=0.1)
    result = calibrate(certain, [actions.background()], 0.4, 2.0, positives(actions, 40))
    assert result.error < result.error_before


def test_more_false_alarms_may_be_allowed(actions):
    head, background = fit_head(actions.examples(3)), [actions.background() for _ in range(4)]
    strict, lax = (calibrate(head, background, 0.4, rate) for rate in (0.0, 1e6))
    assert strict.false_alarms == 0
    assert lax.false_alarms == lax.false_alarms_before


def test_calibration_error_is_the_gap_between_score_and_accuracy():
    scores = np.array([[0.9, 0.1]] * 10)
    assert calibration_error(scores, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.4)


def test_calibration_needs_background_and_a_rate(actions):
    head = fit_head(actions.examples(2))
    with pytest.raises(DataError):
        calibrate(head, [], 0.4)
    with pytest.raises(ConfigError):
        calibrate(head, [actions.background()], 0.0)


def test_what_is_taught_after_calibration_is_limited_by_the_same_background(actions):
    background = [actions.background() for _ in range(3)]
    base = calibrate(fit_head(actions.examples(3)), background, 0.4).head
    later = Actions(("point",), seed=7)
    head = fit_head(later.examples(3), base)
    assert tuple(head.labels) == ("point",)
    assert (head.apply(*reversed(background[0]))[1] > 1).all()
    assert (head.apply(*reversed(stretch(later.showing("point"))))[1] < 1).all()


def test_a_graph_alone_is_calibrated_by_its_probabilities():
    rng = np.random.default_rng(0)
    sure, unsure = np.eye(2, dtype=np.float32)[[0, 1] * 20] * 0.9 + 0.05, np.full((100, 2), 0.5, np.float32)
    unsure[:, 0] += rng.uniform(0, 0.2, 100).astype(np.float32)
    unsure[:, 1] = 1 - unsure[:, 0]
    nothing = np.zeros((100, 4), np.float32)
    result = calibrate(Head(LabelMap(NAMES), kept=2), [(unsure, nothing)], 0.4)
    assert result.false_alarms_before > 0 == result.false_alarms
    assert (result.head.apply(None, sure)[1] <= 1).all()
