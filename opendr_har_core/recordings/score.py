"""Scores labels against truth on time lines: segment F1, edit score, accuracy, delays, misses and false alarms.

docs/metrics.md defines and cites each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.recordings.score_lines import TimeLine
from opendr_har_core.recordings.score_match import OVERLAPS, edit_score, match

F1 = tuple(f"f1_{round(100 * overlap)}" for overlap in OVERLAPS)
# Figures with an interval; the others are counts.
FIGURES = (*F1, "edit", "accuracy", "delay_median_sec", "delay_p90_sec", "missed_share", "false_alarms_per_hour")
INTERVAL = 0.95
MS_PER_HOUR = 3.6e6
# Numbers of delays in memory while recordings are drawn.
MOST_DELAYS = 1 << 21

# Columns of the counts; true positives have one for each of OVERLAPS.
TP = slice(0, 3)
EVENTS, SHOWN, MISSED, FALSE, RIGHT_MS, TRUE_MS = range(3, 9)
COLUMNS = 9


@dataclass(frozen=True)
class Score:
    """The figures.

    Attributes:
        recordings, people, hours: what was scored; `people` of the truth.
        overall: values of FIGURES, the counts `events`, `missed` and `false_alarms`, and `intervals` of FIGURES.
        classes: the same for each class of the truth or the labels, without edit score.
        delays_sec: of each event that was named.
    """

    recordings: int
    people: int
    hours: float
    overall: Dict[str, Any]
    classes: Dict[str, Dict[str, Any]]
    delays_sec: Tuple[float, ...]

    def to_dict(self) -> Dict[str, Any]:
        """JSON-ready values; a figure that does not exist is None, as is a delay that is infinite."""
        what = {"recordings": self.recordings, "people": self.people, "hours": self.hours}
        return {**what, "overall": self.overall, "classes": self.classes}


def score(lines: Sequence[TimeLine], replicates: int = 1000, seed: int = 0) -> Score:
    """The figures of time lines, with percentile intervals over `replicates` resampled sets of the recordings."""
    names = {name: index for index, name in enumerate(dict.fromkeys(line.recording for line in lines))}
    classes = _classes(lines)
    table = _Table(len(names), classes)
    for line in lines:
        table.add(names[line.recording], line)
    drawn = np.random.default_rng(seed).integers(len(names), size=(replicates if len(names) > 1 else 0, len(names)))
    weights = np.stack([np.bincount(row, minlength=len(names)) for row in drawn]) if len(drawn) else None
    delays = np.concatenate([part[2] for part in table.delays])
    return Score(
        recordings=len(names),
        people=sum(bool(line.person) and line.end_ms > line.start_ms for line in lines),
        hours=float(table.hours.sum()),
        overall=table.figures(None, weights),
        classes={name: table.figures(name, weights) for name in classes},
        delays_sec=tuple(delays[np.isfinite(delays)].tolist()),
    )


class _Table:
    """What the time lines add up to, by recording, so that recordings can be drawn again."""

    def __init__(self, recordings: int, classes: Dict[str, int]) -> None:
        self.classes = classes
        self.counts = np.zeros((recordings, len(classes) + 1, COLUMNS))  # the last class is the background
        self.edits = np.zeros((recordings, 2))  # sum and number
        self.hours = np.zeros(recordings)
        self.delays: List[Tuple[np.ndarray, ...]] = []  # class, recording and seconds of each event

    def add(self, recording: int, line: TimeLine) -> None:
        """Count a time line."""
        found = match(line, self.classes)
        self.hours[recording] = line.length_ms / MS_PER_HOUR
        self.delays.append((found.events, np.full(len(found.events), recording), found.delays_sec))
        if line.end_ms > line.start_ms:
            self.edits[recording] += edit_score(line.labels, line.truth), 1
        counts = self.counts[recording]
        for column, overlap in enumerate(OVERLAPS):
            np.add.at(counts[:, TP][:, column], found.events[found.best_scores(overlap) >= 0], 1)
        for column, of in (
            (EVENTS, found.events),
            (MISSED, found.events[np.isinf(found.delays_sec)]),
            (SHOWN, found.labels),
            (FALSE, found.labels[found.claims < 0]),
        ):
            np.add.at(counts[:, column], of, 1)
        counts[:, RIGHT_MS] += found.right_ms
        counts[:, TRUE_MS] += found.true_ms

    def figures(self, name: Optional[str], weights: Optional[np.ndarray]) -> Dict[str, Any]:
        """The figures of a class, or of all, with intervals."""
        of, recording, delays = (np.concatenate(part) for part in zip(*self.delays))
        chosen = np.ones(len(of), bool) if name is None else of == self.classes[name]
        order = np.argsort(delays[chosen], kind="stable")
        late = delays[chosen][order], recording[chosen][order]
        each = np.ones((1, len(self.hours)), np.int64)
        values = {key: _number(column[0]) for key, column in self._weighted(name, late, each).items()}
        counts = {key: int(values.pop(key) or 0) for key in ("events", "missed", "false_alarms")}
        if weights is None:
            return {**counts, **values, "intervals": None}
        parts = np.array_split(weights, min(len(weights), -(-len(weights) * len(order) // MOST_DELAYS) or 1))
        chunks = [self._weighted(name, late, part) for part in parts]
        drawn = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in values}
        return {**counts, **values, "intervals": {key: _interval(column) for key, column in drawn.items()}}

    def _weighted(
        self, name: Optional[str], late: Tuple[np.ndarray, np.ndarray], weights: np.ndarray
    ) -> Dict[str, np.ndarray]:
        """Figures (B,) of recordings that count `weights` (B, R) times; NaN for those that don't exist.

        `late` are the rising delays of the events, and their recordings.
        """
        chosen = slice(None) if name is None else [self.classes[name]]
        sums = weights @ self.counts[:, chosen].sum(axis=1)
        so_many = np.cumsum(weights[:, late[1]], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            edit = weights @ self.edits
            return {
                **dict(zip(F1, 200 * sums[:, TP].T / (sums[:, EVENTS] + sums[:, SHOWN]))),
                **({"edit": edit[:, 0] / edit[:, 1]} if name is None else {}),
                "accuracy": 100 * sums[:, RIGHT_MS] / sums[:, TRUE_MS],
                "delay_median_sec": _quantile(late[0], so_many, 0.5),
                "delay_p90_sec": _quantile(late[0], so_many, 0.9),
                "missed_share": sums[:, MISSED] / sums[:, EVENTS],
                "false_alarms_per_hour": sums[:, FALSE] / (weights @ self.hours),
                "events": sums[:, EVENTS],
                "missed": sums[:, MISSED],
                "false_alarms": sums[:, FALSE],
            }


def threshold_curve(lines: Sequence[TimeLine], points: int = 50) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(thresholds (n,), precision (n, 3), recall (n, 3)) at OVERLAPS, of the labels with at least such a score."""
    classes = _classes(lines)
    found = [match(line, classes) for line in lines]
    scores = np.sort(np.concatenate([item.scores for item in found]))
    levels = np.unique(scores) if len(scores) else np.zeros(1)
    thresholds = levels[np.unique(np.linspace(0, len(levels) - 1, points).astype(int))]
    labels = len(scores) - np.searchsorted(scores, thresholds)
    events = sum(len(item.events) for item in found)
    precision, recall = [], []
    for overlap in OVERLAPS:
        # Which event a label claims does not depend on the other labels.
        best = np.sort(np.concatenate([item.best_scores(overlap) for item in found]))
        hits = len(best) - np.searchsorted(best, thresholds)
        precision.append(hits / np.maximum(labels, 1))
        recall.append(hits / max(events, 1))
    return thresholds, np.stack(precision, axis=1), np.stack(recall, axis=1)


def _classes(lines: Sequence[TimeLine]) -> Dict[str, int]:
    """The labels, sorted and numbered."""
    names = sorted({event.label for line in lines for event in (*line.truth, *line.labels)})
    return {name: number for number, name in enumerate(names)}


def _quantile(values: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """The smallest of rising values that `share` of them do not exceed, (B,); `counts` (B, n) adds up how many."""
    if not len(values):
        return np.full(len(counts), np.nan)
    index = (counts < share * counts[:, -1:] - 1e-9).sum(axis=1)
    found: np.ndarray = np.where(counts[:, -1] > 0, values[index], np.nan)
    return found


def _interval(drawn: np.ndarray) -> Optional[Tuple[Optional[float], Optional[float]]]:
    drawn = np.sort(drawn[~np.isnan(drawn)])
    if not len(drawn):
        return None
    edges = ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2)
    low, high = (_number(drawn[min(len(drawn) - 1, math.floor(edge * len(drawn)))]) for edge in edges)
    return low, high


def _number(value: float) -> Optional[float]:
    return float(value) if math.isfinite(value) else None
