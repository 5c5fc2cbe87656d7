"""Heads calibrated on background."""

from __future__ import annotations

import numpy as np
import pytest
from teaching_cases import Actions, stretch

from opendr_har_core.errors import ConfigError, DataError
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
    result = calibrate(fit_head(actions.examples(3)), [actions.background()], 0.4, 2.0, positives(actions, 40))
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
