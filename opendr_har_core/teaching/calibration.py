"""Calibrates a head on footage in which nothing that it knows goes on: how far is too far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.teaching.fit import NO_LIMIT, limited

# Probabilities (n, num_classes) and features (n, F) of consecutive predictions, as in backends.protocol.Outputs.
Stretch = Tuple[np.ndarray, np.ndarray]
SEC_PER_HOUR = 3600.0
BINS = 15
TEMPERATURES = np.geomspace(0.05, 50, 61).tolist()
# Rows of background that a head carries, for its limits and for those of what is taught later.
MOST_ROWS = 128
# Limits stay below this share of the way to the alarms that must not be.
BELOW = 0.9


@dataclass(frozen=True)
class Calibration:
    """A calibrated head, and what is expected of it.

    Attributes:
        head: with temperature and limits.
        hours: of background.
        false_alarms_before, false_alarms: labels that begin per hour of the background, before and after.
        recall: share of the predictions of the positives that get their label; NaN without positives.
        error_before, error: expected calibration error of the scores of the positives; NaN without positives.
    """

    head: Head
    hours: float
    false_alarms_before: float
    false_alarms: float
    recall: float
    error_before: float
    error: float


def calibrate(
    head: Head,
    background: Sequence[Stretch],
    period_sec: float,
    false_alarms_per_hour: float = 2.0,
    positives: Mapping[str, Sequence[Stretch]] = {},
    quiet: Sequence[str] = ("no activity",),
    min_duration_sec: float = 0.0,
) -> Calibration:
    """Set the limits of a head so that the background gives at most so many false alarms per hour.

    `background` has stretches of consecutive predictions, `period_sec` apart, in which nothing happens that deserves a
    label; a false alarm is a label, other than those of `quiet`, that begins and lasts `min_duration_sec`. The classes
    that raise alarms share the rate. Too little background for one alarm of each of them leaves none in it, and also
    sets the limits of `limited`. `positives` are showings that the head was not taught from: they set the temperature,
    and the report. Raises ConfigError or DataError.
    """
    if not (period_sec > 0 and false_alarms_per_hour >= 0 and min_duration_sec >= 0):
        raise ConfigError(
            f"expected a period above zero, a rate and a duration, got {period_sec} s, {false_alarms_per_hour} per "
            f"hour and {min_duration_sec} s"
        )
    if not background or not all(len(stretch[0]) for stretch in background):
        raise DataError("there is no background to calibrate on: give footage in which none of the actions happens")
    hours = sum(len(probabilities) for probabilities, _ in background) * period_sec / SEC_PER_HOUR
    rows = 1 + int(np.ceil(min_duration_sec / period_sec))
    tempered = _tempered(head, positives)
    seen = np.concatenate([features for _, features in background]).astype(np.float32)
    kept = seen[np.linspace(0, len(seen) - 1, min(len(seen), MOST_ROWS)).round().astype(int)]
    limits = np.full(len(head.labels), NO_LIMIT, np.float32)
    if head.taught:
        limits = np.array(limited(tempered, kept).limits)
    depths: Dict[int, List[float]] = {}
    for label, depth in _alarms(replace(tempered, limits=None), background, quiet, rows):
        depths.setdefault(label, []).append(depth)
    for label, found in depths.items():
        allowed = int(false_alarms_per_hour * hours / len(depths))
        limit = BELOW * sorted(found)[allowed] if allowed < len(found) else NO_LIMIT
        limits[label] = max(limit if allowed else min(limit, limits[label]), 1e-6)
    calibrated = replace(tempered, limits=limits, background=kept)
    before, after = (len(_alarms(each, background, quiet, rows)) / hours for each in (head, calibrated))
    error_before, _ = _judged(head, positives)
    error, recall = _judged(calibrated, positives)
    return Calibration(calibrated, hours, before, after, recall, error_before, error)


def calibration_error(scores: np.ndarray, classes: np.ndarray) -> float:
    """Expected calibration error of scores (n, classes) in 15 bins of equal width (Guo et al., ICML 2017)."""
    best, right = scores.max(axis=1), scores.argmax(axis=1) == classes
    bins = np.minimum((best * BINS).astype(int), BINS - 1)
    gaps = [
        abs(right[bins == index].mean() - best[bins == index].mean()) * (bins == index).mean() for index in set(bins)
    ]
    return float(sum(gaps))


def _alarms(head: Head, background: Sequence[Stretch], quiet: Sequence[str], rows: int) -> List[Tuple[int, float]]:
    """(label, least limit with which it begins) of each label that lasts `rows` predictions."""
    found: List[Tuple[int, float]] = []
    for probabilities, features in background:
        scores, strangeness = head.measure(features, probabilities)
        best = scores.argmax(axis=1)
        depth = strangeness[np.arange(len(best)), best]
        if head.limits is not None:
            best = np.where(depth > head.limits[best], -1, best)
        edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
        for first, last in zip(edges, edges[1:]):
            label = int(best[first])
            if last - first >= rows and label >= 0 and head.labels[label] not in quiet:
                windows = np.lib.stride_tricks.sliding_window_view(depth[first:last], rows)
                found.append((label, float(windows.max(axis=1).min())))
    return found


def _tempered(head: Head, positives: Mapping[str, Sequence[Stretch]]) -> Head:
    """The head with the temperature of the smallest cross entropy."""
    if not any(positives.values()):
        return head
    if head.taught:
        heads = [replace(head, temperature=head.temperature * factor) for factor in TEMPERATURES]
    else:
        heads = [replace(head, graph_temperature=head.graph_temperature * factor) for factor in TEMPERATURES]
    return min(heads, key=lambda candidate: _cross_entropy(candidate, positives))


def _cross_entropy(head: Head, positives: Mapping[str, Sequence[Stretch]]) -> float:
    scores, classes, _ = _scored(head, positives)
    return float(-np.log(scores[np.arange(len(classes)), classes] + 1e-12).mean())


def _judged(head: Head, positives: Mapping[str, Sequence[Stretch]]) -> Tuple[float, float]:
    """Expected calibration error, and share of the predictions with the right label."""
    if not any(positives.values()):
        return float("nan"), float("nan")
    scores, classes, known = _scored(head, positives)
    return calibration_error(scores, classes), float((known & (scores.argmax(axis=1) == classes)).mean())


def _scored(head: Head, positives: Mapping[str, Sequence[Stretch]]) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (n, classes), classes (n,), and whether each is not rejected."""
    scores, classes, known = [], [], []
    for label, stretches in positives.items():
        for probabilities, features in stretches:
            found, novelty = head.apply(features, probabilities)
            scores.append(found)
            classes.append(np.full(len(found), head.labels.id(label)))
            known.append(np.ones(len(found), bool) if novelty is None else novelty <= 1)
    return np.concatenate(scores), np.concatenate(classes), np.concatenate(known)
