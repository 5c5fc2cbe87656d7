"""Heads fitted to a few showings."""

from __future__ import annotations

import numpy as np
import pytest
from teaching_cases import WIDTH, Actions, stretch

from opendr_har_core.errors import DataError
from opendr_har_core.teaching.fit import confusions, fit_head

NAMES = ("wave", "stop", "come here")


def accuracy(head, actions, names=NAMES):
    named = [(name, head.apply(*reversed(stretch(actions.showing(name))))[0].mean(axis=0)) for name in names * 20]
    return np.mean([head.labels[int(scores.argmax())] == name for name, scores in named])


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_showings_teach_actions(count):
    actions = Actions(NAMES)
    head = fit_head(actions.examples(count))
    assert tuple(head.labels) == NAMES
    assert accuracy(head, actions) > 0.95


def test_showings_of_different_lengths_count_the_same():
    actions = Actions(NAMES)
    examples = actions.examples(2)
    longer = {**examples, "wave": [np.repeat(examples["wave"][0], 50, axis=0), examples["wave"][1]]}
    np.testing.assert_allclose(fit_head(longer).means, fit_head(examples).means, atol=1e-5)


@pytest.mark.parametrize(
    "examples",
    [
        {},
        {"wave": []},
        {"wave": [np.zeros((0, WIDTH))]},
        {"wave": [np.full((2, WIDTH), np.nan)]},
        {"wave": [np.ones((2, WIDTH))], "stop": [np.ones((2, WIDTH + 1))]},
    ],
)
def test_examples_that_teach_nothing_are_refused(examples):
    with pytest.raises(DataError):
        fit_head(examples)


def test_one_showing_that_never_changes_still_gives_a_head():
    head = fit_head({"still": [np.ones((3, WIDTH))], "other": [np.zeros((3, WIDTH))]})
    scores, _ = head.apply(*reversed(stretch(np.ones((1, WIDTH)))))
    assert scores[0, 0] > 0.99


def test_actions_that_look_alike_are_named():
    actions = Actions(NAMES)
    actions.centres["stop"] = actions.centres["wave"]
    found = confusions(actions.examples(6))
    assert {(label, other) for label, other, _ in found} <= {("wave", "stop"), ("stop", "wave")}
    assert found and all(0 < share <= 1 for _, _, share in found)
    assert confusions(Actions(NAMES).examples(4)) == []
