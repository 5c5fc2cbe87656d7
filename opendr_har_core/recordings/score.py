"""Scores labels against truth on time lines: segment F1, edit score, accuracy, delays, misses and false alarms.

docs/metrics.md defines and cites each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.people.boxes import overlaps
from opendr_har_core.recordings.score_files import Row, Rows

OVERLAPS = (0.1, 0.25, 0.5)
F1 = tuple(f"f1_{round(100 * overlap)}" for overlap in OVERLAPS)
# Figures with an interval; the others are counts.
FIGURES = (*F1, "edit", "accuracy", "delay_median_sec", "delay_p90_sec", "missed_share", "false_alarms_per_hour")
# Annotators let segments overlap by a frame or two: the earlier one then ends where the later one begins.
TOUCH_MS = 100
# A person's box between two rows of the truth is interpolated if they are this near.
NEAR_SEC = 1.0
SAME_BOX = 0.5
INTERVAL = 0.95
MS_PER_HOUR = 3.6e6
CHUNK = 50

# Columns of the counts.
TP, FP, FN = (slice(3 * index, 3 * index + 3) for index in range(3))
EVENTS, MISSED, FALSE, RIGHT_MS, TRUE_MS = range(9, 14)
COLUMNS = 14


@dataclass(frozen=True)
class Event:
    """A part of a time line with one label, in whole milliseconds."""

    start_ms: int
    end_ms: int
    label: str
    score: float = 1.0


@dataclass(frozen=True)
class TimeLine:
    """Truth and labels of a recording, or of one person in it.

    Attributes:
        recording: name.
        person: of the truth; "track 7 (nobody)" for a track that is nobody of the truth; "" for the whole picture.
        length_ms: of the recording.
        start_ms, end_ms: where there is truth; the same for a track that is nobody.
        truth, labels: rising, without overlaps, without the background.
    """

    recording: str
    person: str
    length_ms: int
    start_ms: int
    end_ms: int
    truth: Tuple[Event, ...]
    labels: Tuple[Event, ...]


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


def time_lines(
    labels: Rows, truth: Rows, background: str, named: Callable[[str, str], str] = lambda label, where: label
) -> List[TimeLine]:
    """Pair each recording of the truth with its labels, and people by their boxes.

    `named` gives the class of a label, or raises LabelError. Raises DataError for a recording without labels, truth
    that overlaps or lies outside of its recording, and for people who can't be paired.
    """
    stems: Dict[str, List[str]] = {}
    for name in labels.durations:
        stems.setdefault(PurePath(name).name, []).append(name)
    names = {row.recording: _paired(row, stems) for row in {row.recording: row for row in truth.rows}.values()}
    of_truth: Dict[str, List[Row]] = {}
    of_labels: Dict[str, List[Row]] = {}
    for row in truth.rows:
        of_truth.setdefault(names[row.recording], []).append(row)
    for row in labels.rows:
        of_labels.setdefault(row.recording, []).append(row)
    lines: List[TimeLine] = []
    for name, rows in of_truth.items():
        found = of_labels.get(name, [])
        duration = labels.durations[name] or max(item.end_sec for item in (*rows, *found))
        if not math.isfinite(duration):
            raise DataError(f"{rows[0].where}: the length of {name} is unknown; give its end, or score .labels.json")
        for row in rows:
            if row.start_sec >= duration:
                raise DataError(f"{row.where}: starts at {row.start_sec} s, but {name} is {duration:.2f} s long")
        boxes = {person: box for (of, person), box in truth.boxes.items() if names.get(of) == name}
        spans = {person: (box[0, 0], box[-1, 0]) for person, box in boxes.items()} or {"": (0.0, duration)}
        owned: Dict[str, List[Row]] = {person: [] for person in spans}
        for row, owner in zip(found, _owners(name, rows, found, boxes, labels)):
            owned.setdefault(f"track {row.track} (nobody)" if owner is None else owner, []).append(row)
        for person, shown in owned.items():
            own = [row for row in rows if row.track == person]
            start, end = spans.get(person, (0.0, 0.0))
            until = max([end, *(min(row.end_sec, duration) for row in own)])
            length_ms, start_ms, end_ms = (round(1000 * time) for time in (duration, start, until))
            events, labelled = (_events(part, duration, background, named) for part in (own, shown))
            lines.append(TimeLine(name, person, length_ms, start_ms, end_ms, events, labelled))
    return lines


def _paired(row: Row, stems: Dict[str, List[str]]) -> str:
    """The recording of the labels whose path ends as that of the truth, or the other way round."""
    parts = PurePath(row.recording).parts
    if parts:
        others = ((name, PurePath(name).parts) for name in stems.get(parts[-1], ()))
        found = [name for name, other in others if all(a == b for a, b in zip(parts[::-1], other[::-1]))]
    else:
        found = [name for names in stems.values() for name in names]
    if len(found) == 1:
        return found[0]
    what = f"the recording {row.recording!r}" if parts else "a recording without a path"
    some = f"but there are those of {found[:3]}" if found else f"but those are of {list(stems)[:3]}"
    raise DataError(f"{row.where}: {what} needs one set of labels, {some}; label it, or give longer paths")


def _owners(
    name: str, truth: Sequence[Row], rows: Sequence[Row], boxes: Dict[str, np.ndarray], labels: Rows
) -> List[Optional[str]]:
    """The person of the truth for each row of labels, None for nobody.

    That is whose box a track overlaps most often while it has the label, one track at a time for a person.
    """
    if boxes and not all(row.track for row in truth):
        raise DataError(f"the truth of {name} is of people and of the whole picture; score one after the other")
    if not boxes or not rows:
        if any(row.track for row in rows):
            raise DataError(f"the labels of {name} are of people, the truth {truth[0].where} is of the whole picture")
        return [""] * len(rows)
    candidates = []
    for index, row in enumerate(rows):
        if (name, row.track) not in labels.boxes:
            raise DataError(f"{row.where}: the truth has people with boxes; label with --people, and give .labels.json")
        own = labels.boxes[name, row.track]
        own = own[(own[:, 0] >= row.start_sec - 1e-3) & (own[:, 0] <= row.end_sec)]
        theirs = np.stack([_boxes_at(own[:, 0], box) for box in boxes.values()], axis=1)
        hits = np.zeros(len(boxes), np.int64)
        for box, others in zip(own[:, None, 1:], theirs):
            hits += overlaps(box, others, np.zeros(1))[0] >= SAME_BOX
        candidates += [(-count, index, person) for count, person in zip(hits.tolist(), boxes) if count]
    owners: List[Optional[str]] = [None] * len(rows)
    for _, index, person in sorted(candidates):
        row = rows[index]
        others = [other for other, owner in zip(rows, owners) if owner == person]
        if owners[index] is None and all(row.end_sec <= o.start_sec or o.end_sec <= row.start_sec for o in others):
            owners[index] = person
    return owners


def _boxes_at(times: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Interpolated boxes (n, 4) at times (n,); NaN while the person is out of view."""
    found = np.stack([np.interp(times, boxes[:, 0], boxes[:, side]) for side in range(1, 5)], axis=1)
    after = np.clip(np.searchsorted(boxes[:, 0], times), 0, len(boxes) - 1)
    before = np.maximum(after - 1, 0)
    far = (boxes[after, 0] - boxes[before, 0] > NEAR_SEC) | (times < boxes[0, 0]) | (times > boxes[-1, 0] + NEAR_SEC)
    found[far] = np.nan
    return found


def _events(
    rows: Sequence[Row], end_sec: float, background: str, named: Callable[[str, str], str]
) -> Tuple[Event, ...]:
    """Rows as events: cut at the end, without background, and joined where one label goes on."""
    events: List[Event] = []
    last = ""
    for row in sorted(rows, key=lambda row: row.start_sec):
        start, end = round(1000 * row.start_sec), round(1000 * min(row.end_sec, end_sec))
        if events and start < events[-1].end_ms:
            before = events.pop()
            if before.end_ms - start > TOUCH_MS:
                raise DataError(f"{row.where}: {row.label!r} begins before {before.label!r} ({last}) ends")
            events += [Event(before.start_ms, start, before.label, before.score)] if before.start_ms < start else []
        label = named(row.label, row.where)
        last = row.where
        if end > start:
            if events and events[-1].end_ms == start and events[-1].label == label:
                before = events.pop()
                spans = before.end_ms - before.start_ms, end - start
                score = (before.score * spans[0] + row.score * spans[1]) / sum(spans)
                events.append(Event(before.start_ms, end, label, score))
            else:
                events.append(Event(start, end, label, row.score))
    return tuple(event for event in events if event.label != background)


def score(lines: Sequence[TimeLine], replicates: int = 1000, seed: int = 0) -> Score:
    """The figures of time lines, with percentile intervals over `replicates` resampled sets of the recordings."""
    names = list(dict.fromkeys(line.recording for line in lines))
    classes = sorted({event.label for line in lines for event in (*line.truth, *line.labels)})
    table = _Table(len(names), classes)
    for line in lines:
        table.add(names.index(line.recording), line)
        table.hours[names.index(line.recording)] = line.length_ms / MS_PER_HOUR
    drawn = np.random.default_rng(seed).integers(len(names), size=(replicates if len(names) > 1 else 0, len(names)))
    weights = np.stack([np.bincount(row, minlength=len(names)) for row in drawn]) if len(drawn) else None
    return Score(
        recordings=len(names),
        people=sum(bool(line.person) and line.end_ms > line.start_ms for line in lines),
        hours=float(table.hours.sum()),
        overall=table.figures(None, weights),
        classes={name: table.figures(name, weights) for name in classes},
        delays_sec=tuple(delay for items in table.delays.values() for _, delay in items if math.isfinite(delay)),
    )


class _Table:
    """What the time lines add up to, by recording, so that recordings can be drawn again."""

    def __init__(self, recordings: int, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self.counts = np.zeros((recordings, len(classes) + 1, COLUMNS))  # the last class is the background
        self.edits = np.zeros((recordings, 2))  # sum and number
        self.hours = np.zeros(recordings)
        self.delays: Dict[str, List[Tuple[int, float]]] = {name: [] for name in classes}

    def add(self, recording: int, line: TimeLine) -> None:
        """Count a time line."""
        counts, truth, labels = self.counts[recording], line.truth, line.labels
        for name in {event.label for event in (*truth, *labels)}:
            own, theirs = (tuple(event for event in events if event.label == name) for events in (labels, truth))
            row = counts[self.classes.index(name)]
            hits, inside = matches(own, theirs), _within(theirs, line)
            row[TP] += hits
            row[FP] += len(own) - hits
            row[FN] += len(theirs) - hits
            delays = [_delay(event, own) for event in theirs]
            self.delays[name] += [(recording, delay) for delay in delays]
            row[[EVENTS, MISSED]] += len(theirs), sum(map(math.isinf, delays))
            row[FALSE] += (_covered(own, by=theirs) == 0).sum()
            row[[RIGHT_MS, TRUE_MS]] += _covered(inside, by=own).sum(), _length(inside)
        if line.end_ms > line.start_ms:
            inside, shown = _within(truth, line), _within(labels, line)
            free = line.end_ms - line.start_ms - _length(inside)
            counts[-1, [RIGHT_MS, TRUE_MS]] += free - _length(shown) + _covered(inside, by=shown).sum(), free
            self.edits[recording] += edit_score(labels, truth), 1

    def figures(self, name: Optional[str], weights: Optional[np.ndarray]) -> Dict[str, Any]:
        """The figures of a class, or of all, with intervals."""
        each = np.ones((1, len(self.hours)), np.int64)
        values = {key: _number(column[0]) for key, column in self._weighted(name, each).items()}
        counts = {key: int(values.pop(key) or 0) for key in ("events", "missed", "false_alarms")}
        if weights is None:
            return {**counts, **values, "intervals": None}
        chunks = [self._weighted(name, part) for part in np.array_split(weights, -(-len(weights) // CHUNK))]
        drawn = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in values}
        return {**counts, **values, "intervals": {key: _interval(column) for key, column in drawn.items()}}

    def _weighted(self, name: Optional[str], weights: np.ndarray) -> Dict[str, np.ndarray]:
        """Figures (B,) of recordings that count `weights` (B, R) times; NaN for those that don't exist."""
        chosen = slice(None) if name is None else [self.classes.index(name)]
        sums = weights @ self.counts[:, chosen].sum(axis=1)
        delays = sorted(
            ((delay, recording) for key in self.classes if name in (None, key) for recording, delay in self.delays[key])
        )
        values = np.array([delay for delay, _ in delays])
        order = np.cumsum(weights[:, [recording for _, recording in delays]], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            f1 = 200 * sums[:, TP] / (2 * sums[:, TP] + sums[:, FP] + sums[:, FN])
            edit = weights @ self.edits
            return {
                **dict(zip(F1, f1.T)),
                **({"edit": edit[:, 0] / edit[:, 1]} if name is None else {}),
                "accuracy": 100 * sums[:, RIGHT_MS] / sums[:, TRUE_MS],
                "delay_median_sec": _quantile(values, order, 0.5),
                "delay_p90_sec": _quantile(values, order, 0.9),
                "missed_share": sums[:, MISSED] / sums[:, EVENTS],
                "false_alarms_per_hour": sums[:, FALSE] / (weights @ self.hours),
                "events": sums[:, EVENTS],
                "missed": sums[:, MISSED],
                "false_alarms": sums[:, FALSE],
            }


def matches(labels: Sequence[Event], truth: Sequence[Event]) -> np.ndarray:
    """True positives among labels of the same class as the truth, at each of OVERLAPS, int (3,).

    Each label claims the truth that it overlaps best; the first one whose IoU suffices gets it.
    """
    hit = np.zeros((len(OVERLAPS), len(truth)), bool)
    if truth:
        start, end = (np.array([getattr(event, side) for event in truth]) for side in ("start_ms", "end_ms"))
        for event in labels:
            shared = np.minimum(end, event.end_ms) - np.maximum(start, event.start_ms)
            ious = shared / (np.maximum(end, event.end_ms) - np.minimum(start, event.start_ms))
            best = int(ious.argmax())
            hit[:, best] |= ious[best] >= np.array(OVERLAPS)
    count: np.ndarray = hit.sum(axis=1)
    return count


def edit_score(labels: Sequence[Event], truth: Sequence[Event]) -> float:
    """100 for the same classes in the same order, 0 if nothing agrees: a normalised Levenshtein distance."""
    names = np.array([event.label for event in truth], object)
    distances = steps = np.arange(len(truth) + 1)
    for count, event in enumerate(labels, start=1):
        replaced = np.minimum(distances[1:] + 1, distances[:-1] + (names != event.label))
        distances = np.minimum.accumulate(np.concatenate([[count], replaced]) - steps) + steps
    return 100 * (1 - float(distances[-1]) / max(len(labels), len(truth), 1))


def threshold_curve(lines: Sequence[TimeLine], points: int = 50) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(thresholds (n,), precision (n, 3), recall (n, 3)) at OVERLAPS, of the labels with at least such a score."""
    scores = np.unique([event.score for line in lines for event in line.labels] or [0.0])
    thresholds = scores[np.unique(np.linspace(0, len(scores) - 1, points).astype(int))]
    curve = []
    for threshold in thresholds:
        hits, labels, events = np.zeros(len(OVERLAPS)), 0, 0
        for line in lines:
            kept = [event for event in line.labels if event.score >= threshold]
            labels, events = labels + len(kept), events + len(line.truth)
            for name in {event.label for event in kept}:
                hits += matches(*([event for event in part if event.label == name] for part in (kept, line.truth)))
        curve.append((hits / max(labels, 1), hits / max(events, 1)))
    return thresholds, np.array([item[0] for item in curve]), np.array([item[1] for item in curve])


def _delay(event: Event, labels: Sequence[Event]) -> float:
    """Seconds from the event's start until its label shows; infinite if that is not before its end."""
    shown = (label.start_ms for label in labels if label.start_ms < event.end_ms and label.end_ms > event.start_ms)
    return max(0, next(shown, math.inf) - event.start_ms) / 1000


def _covered(events: Sequence[Event], by: Sequence[Event]) -> np.ndarray:
    """Milliseconds of each event that other events cover, float64 (n,)."""
    edges = np.array([edge for event in by for edge in (event.start_ms, event.end_ms)], np.float64)
    if not len(edges):
        return np.zeros(len(events))
    until = np.repeat(np.cumsum(edges[1::2] - edges[::2]), 2)
    until[::2] -= edges[1::2] - edges[::2]
    start, end = (np.interp([getattr(e, side) for e in events], edges, until) for side in ("start_ms", "end_ms"))
    covered: np.ndarray = end - start
    return covered


def _within(events: Sequence[Event], line: TimeLine) -> Tuple[Event, ...]:
    cut = (Event(max(event.start_ms, line.start_ms), min(event.end_ms, line.end_ms), event.label) for event in events)
    return tuple(event for event in cut if event.end_ms > event.start_ms)


def _length(events: Sequence[Event]) -> int:
    return sum(event.end_ms - event.start_ms for event in events)


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
