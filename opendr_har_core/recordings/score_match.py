"""The labels of one time line against its truth, event by event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence, Tuple

import numpy as np

from opendr_har_core.recordings.score_lines import Event, TimeLine

OVERLAPS = (0.1, 0.25, 0.5)
# Columns of events as arrays.
CLASS, START, END = range(3)
# Later than any time in milliseconds: keeps the events of different classes apart.
FAR_MS = 1 << 40


@dataclass(frozen=True)
class Match:
    """Which labels are right, and how soon and how long. Events and labels are sorted by class and time.

    Attributes:
        events, labels: their classes, int64 (n,) and (m,).
        scores: of the labels, float64 (m,).
        claims: the event of its class that a label overlaps best, the earlier of two, int64 (m,); -1 without any.
        ious: intersection over union of the two, float64 (m,).
        delays_sec: from the start of an event to its label, float64 (n,); infinite if that never shows.
        true_ms, right_ms: how long each class is true, and is shown meanwhile, float64 (c + 1,); last the background.
    """

    events: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    claims: np.ndarray
    ious: np.ndarray
    delays_sec: np.ndarray
    true_ms: np.ndarray
    right_ms: np.ndarray

    def best_scores(self, overlap: float) -> np.ndarray:
        """The best score of those that claim an event with such an IoU, float64 (n,); -inf where none does."""
        best = np.full(len(self.events), -np.inf)
        enough = self.ious >= overlap
        np.maximum.at(best, self.claims[enough], self.scores[enough])
        return best


def match(line: TimeLine, classes: Mapping[str, int]) -> Match:
    """Compare the labels of a time line with its truth; `classes` numbers the labels."""
    truth, labels = _array(line.truth, classes), _array(line.labels, classes)
    orders = [np.lexsort((part[:, START], part[:, CLASS])) for part in (truth, labels)]
    scores = np.array([event.score for event in line.labels], np.float64)[orders[1]]
    every, shown = truth, labels
    truth, labels = truth[orders[0]], labels[orders[1]]

    label, event = _overlapping(labels, truth)
    shared = _shared(labels[label], truth[event])
    ious = shared / (
        np.maximum(labels[label, END], truth[event, END]) - np.minimum(labels[label, START], truth[event, START])
    )
    order = np.lexsort((event, -ious, label))
    claiming, first = np.unique(label[order], return_index=True)
    claims, best_ious = np.full(len(labels), -1), np.zeros(len(labels))
    claims[claiming], best_ious[claiming] = event[order][first], ious[order][first]
    seen = np.full(len(truth), np.inf)
    np.minimum.at(seen, event, labels[label, START])

    window = np.array([0, line.start_ms, line.end_ms])
    true_ms, right_ms = np.zeros(len(classes) + 1), np.zeros(len(classes) + 1)
    np.add.at(true_ms, truth[:, CLASS], _shared(truth, window))
    np.add.at(right_ms, truth[event, CLASS], _shared(truth[event], labels[label], window))
    # The background is right where there is neither an event nor a label.
    true_ms[-1] = line.end_ms - line.start_ms - true_ms.sum()
    label, event = _overlapping(*(part * (0, 1, 1) for part in (shown, every)))
    right_ms[-1] = true_ms[-1] - _shared(shown, window).sum() + _shared(shown[label], every[event], window).sum()
    return Match(
        events=truth[:, CLASS],
        labels=labels[:, CLASS],
        scores=scores,
        claims=claims,
        ious=best_ious,
        delays_sec=np.maximum(0, seen - truth[:, START]) / 1000,
        true_ms=true_ms,
        right_ms=right_ms,
    )


def edit_score(labels: Sequence[Event], truth: Sequence[Event]) -> float:
    """100 for the same classes in the same order, 0 if nothing agrees: a normalised Levenshtein distance."""
    classes = {event.label: number for number, event in enumerate((*labels, *truth))}
    wanted = np.array([classes[event.label] for event in truth], np.int64)
    distances = steps = np.arange(len(truth) + 1)
    for count, event in enumerate(labels, start=1):
        replaced = np.minimum(distances[1:] + 1, distances[:-1] + (wanted != classes[event.label]))
        distances = np.minimum.accumulate(np.concatenate([[count], replaced]) - steps) + steps
    return 100 * (1 - float(distances[-1]) / max(len(labels), len(truth), 1))


def _array(events: Sequence[Event], classes: Mapping[str, int]) -> np.ndarray:
    """CLASS, START and END, int64 (n, 3)."""
    values = [(classes[event.label], event.start_ms, event.end_ms) for event in events]
    return np.array(values, np.int64).reshape(-1, 3)


def _overlapping(first: np.ndarray, second: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Indices (k,) and (k,) of all pairs of a class that overlap; each sorted by class and time, without overlaps."""
    start, end = (second[:, CLASS] * FAR_MS + second[:, side] for side in (START, END))
    begin = np.searchsorted(end, first[:, CLASS] * FAR_MS + first[:, START], "right")
    counts = np.searchsorted(start, first[:, CLASS] * FAR_MS + first[:, END], "left") - begin
    of_first = np.repeat(np.arange(len(first)), counts)
    return of_first, np.arange(len(of_first)) + np.repeat(begin - np.cumsum(counts) + counts, counts)


def _shared(*events: np.ndarray) -> np.ndarray:
    """Milliseconds that the events of a row have in common, int64 (n,)."""
    start = np.maximum.reduce(np.broadcast_arrays(*(event[..., START] for event in events)))
    end = np.minimum.reduce(np.broadcast_arrays(*(event[..., END] for event in events)))
    shared: np.ndarray = np.maximum(0, end - start)
    return shared
