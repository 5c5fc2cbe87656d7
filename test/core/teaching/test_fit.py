"""Heads fitted to a few showings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from teaching_cases import WIDTH, Actions, stretch

from opendr_har_core.bundles.head import GRAPH, Head
from opendr_har_core.errors import DataError
from opendr_har_core.labels import LabelMap
from opendr_har_core.teaching.fit import confusions, fit_head

NAMES = ("wave", "stop", "come here")


def accuracy(head, actions):
    shown = [(name, stretch(actions.showing(name), max(head.kept, 1))) for name in NAMES * 20]
    named = [(name, head.apply(features, probabilities)[0].mean(axis=0)) for name, (probabilities, features) in shown]
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


def base_head(actions):
    means = np.stack(list(actions.centres.values())).astype(np.float32)
    return Head(
        LabelMap(actions.centres), means, (GRAPH,) * len(means), np.zeros((0, WIDTH), np.float32), kept=len(means)
    )


def test_the_classes_of_the_graph_can_be_kept_and_taught_as_well():
    graph, actions = Actions(("walk", "run"), seed=3), Actions(NAMES)
    head = fit_head({**actions.examples(3), "run": [graph.showing("run")]}, base_head(graph), keep_base=True)
    assert tuple(head.labels) == ("walk", "run", *NAMES)
    assert accuracy(head, actions) > 0.95
    probabilities = np.tile(np.array([[0.8, 0.2]], np.float32), (5, 1))
    scores, _ = head.apply(graph.showing("walk"), probabilities)
    assert scores.argmax(axis=1).tolist() == [0] * 5
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_beside_kept_classes_a_taught_one_speaks_only_when_it_recognizes_something():
    graph, actions = Actions(("walk", "run"), seed=3), Actions(NAMES)
    _, background = actions.background()
    # "run" is taught as well, and looks like "stop" here.
    examples = {**actions.examples(3), "run": actions.examples(3, ["stop"])["stop"]}
    open_head, head = (
        fit_head(examples, replace(base_head(graph), background=rows), keep_base=True)
        for rows in (background[:0], background)
    )
    says_run = np.tile(np.array([[0.1, 0.9]], np.float32), (len(background), 1))
    beside = actions.centres["wave"] + 0.85 * (background - actions.centres["wave"])
    assert (open_head.apply(beside, says_run)[0].argmax(axis=1) > 1).any()
    scores, novelty = head.apply(beside, says_run)
    assert (scores.argmax(axis=1) == 1).all()
    assert (novelty <= 1).all()
    scores, _ = head.apply(actions.showing("wave"), says_run[:5])
    assert {head.labels[index] for index in scores.argmax(axis=1)} == {"wave"}


def test_classes_that_a_bundle_does_not_describe_can_not_be_kept():
    with pytest.raises(DataError):
        fit_head(Actions(NAMES).examples(1), Head(LabelMap(["walk"]), kept=1), keep_base=True)


def test_a_thousand_examples_are_fitted():
    head = fit_head(Actions(NAMES).examples(1000))
    assert accuracy(head, Actions(NAMES)) > 0.95
