"""Time lines of truth and labels: recordings paired by their paths, people by their boxes."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.people.boxes import overlaps
from opendr_har_core.recordings.score_rows import Row, Rows

# Annotators let segments overlap by a frame or two: the earlier one then ends where the later one begins.
TOUCH_MS = 100
# A person's box between two rows of the truth is interpolated if they are this near.
NEAR_SEC = 1.0
LONGEST_SEC = 1e9
SAME_BOX = 0.5


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


def time_lines(
    labels: Rows, truth: Rows, background: str, named: Callable[[str, str], str] = lambda label, where: label
) -> List[TimeLine]:
    """Pair each recording of the truth with its labels, and people by their boxes.

    `named` gives the class of a label, or raises LabelError; the class `background` is no activity. Raises DataError
    for a recording without labels, truth that overlaps or lies outside of its recording, and for people who can't be
    paired.
    """
    stems: Dict[str, List[str]] = {}
    for name in labels.durations:
        stems.setdefault(PurePath(name).name, []).append(name)
    names = {row.recording: _paired(row, stems) for row in {row.recording: row for row in truth.rows}.values()}
    of_truth: Dict[str, List[Row]] = {}
    of_labels: Dict[str, List[Row]] = {}
    boxes_in: Dict[str, Dict[str, np.ndarray]] = {}
    for row in truth.rows:
        of_truth.setdefault(names[row.recording], []).append(replace(row, label=named(row.label, row.where)))
    for row in labels.rows:
        label = named(row.label, row.where)
        if label != background:
            of_labels.setdefault(row.recording, []).append(replace(row, label=label))
    for (recording, person), box in truth.boxes.items():
        boxes_in.setdefault(names.get(recording, ""), {})[person] = box
    lines: List[TimeLine] = []
    for name, rows in of_truth.items():
        found, boxes = of_labels.get(name, []), boxes_in.get(name, {})
        duration = labels.durations[name] or max(item.end_sec for item in (*rows, *found))
        if not duration < LONGEST_SEC:
            raise DataError(f"{rows[0].where}: the length of {name} is unknown; give its end, or score .labels.json")
        for row in rows:
            if row.start_sec >= duration:
                raise DataError(f"{row.where}: starts at {row.start_sec} s, but {name} is {duration:.2f} s long")
        spans = {person: (box[0, 0], box[-1, 0]) for person, box in boxes.items()} or {"": (0.0, duration)}
        owned: Dict[str, List[Row]] = {person: [] for person in spans}
        for row, owner in zip(found, _owners(name, rows, found, boxes, labels)):
            owned.setdefault(f"track {row.track} (nobody)" if owner is None else owner, []).append(row)
        for person, shown in owned.items():
            own = [row for row in rows if row.track == person]
            start, end = spans.get(person, (0.0, 0.0))
            until = max([end, *(min(row.end_sec, duration) for row in own)])
            length_ms, start_ms, end_ms = (round(1000 * time) for time in (duration, start, until))
            events, labelled = (_events(part, duration, background) for part in (own, shown))
            lines.append(TimeLine(name, person, length_ms, start_ms, end_ms, events, labelled))
    return lines


def _paired(row: Row, stems: Dict[str, List[str]]) -> str:
    """The recording of the labels whose path ends as that of the truth, or the other way round."""
    parts = PurePath(row.recording).parts
    if parts:
        others = ((name, PurePath(name).parts) for name in stems.get(parts[-1], ()))
        found = [name for name, other in others if all(a == b for a, b in zip(parts[::-1], other[::-1]))]
        found = [row.recording] if row.recording in found else found
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
    if any(row.track for row in truth) and not all(row.track in boxes for row in truth):
        raise DataError(f"the truth of {name} needs boxes for each person and can't be of the whole picture as well")
    if not boxes:
        if any(row.track for row in rows):
            raise DataError(f"the labels of {name} are of people, the truth {truth[0].where} is of the whole picture")
        return [""] * len(rows)
    candidates = []
    for index, row in enumerate(rows):
        if (name, row.track) not in labels.boxes:
            what = "the truth has boxes of people, this label has none; label with --people, and not into .labels.csv"
            raise DataError(f"{row.where}: {what}")
        own = labels.boxes[name, row.track]
        own = own[(own[:, 0] >= row.start_sec - 1e-3) & (own[:, 0] <= row.end_sec)]
        theirs = np.stack([_boxes_at(own[:, 0], box) for box in boxes.values()], axis=1)
        hits = np.zeros(len(boxes), np.int64)
        for box, others in zip(own[:, None, 1:], theirs):
            hits += overlaps(box, others, np.zeros(1))[0] >= SAME_BOX
        candidates += [(-count, index, person) for count, person in zip(hits.tolist(), boxes) if count]
    owners: List[Optional[str]] = [None] * len(rows)
    taken: Dict[str, List[Tuple[float, float]]] = {person: [] for person in boxes}
    for _, index, person in sorted(candidates):
        span, spans = (rows[index].start_sec, rows[index].end_sec), taken[person]
        place = bisect(spans, span)
        is_free = all(other[1] <= span[0] or span[1] <= other[0] for other in spans[max(0, place - 1) : place + 1])
        if owners[index] is None and is_free:
            owners[index] = person
            spans.insert(place, span)
    return owners


def _boxes_at(times: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Interpolated boxes (n, 4) at times (n,); NaN while the person is out of view."""
    found = np.stack([np.interp(times, boxes[:, 0], boxes[:, side]) for side in range(1, 5)], axis=1)
    after = np.clip(np.searchsorted(boxes[:, 0], times), 0, len(boxes) - 1)
    before = np.maximum(after - 1, 0)
    far = (boxes[after, 0] - boxes[before, 0] > NEAR_SEC) | (times < boxes[0, 0]) | (times > boxes[-1, 0] + NEAR_SEC)
    found[far] = np.nan
    return found


def _events(rows: Sequence[Row], end_sec: float, background: str) -> Tuple[Event, ...]:
    """Rows as events: cut at the end, adjacent rows of one label merged, background left out."""
    events: List[Event] = []
    last = ""
    for row in sorted(rows, key=lambda row: row.start_sec):
        start, end = round(1000 * row.start_sec), round(1000 * min(row.end_sec, end_sec))
        if events and start < events[-1].end_ms:
            before = events.pop()
            if before.end_ms - start > TOUCH_MS:
                raise DataError(f"{row.where}: {row.label!r} begins before {before.label!r} ({last}) ends")
            events += [replace(before, end_ms=start)] if before.start_ms < start else []
        last = row.where
        if end > start:
            if events and events[-1].end_ms == start and events[-1].label == row.label:
                before = events.pop()
                spans = before.end_ms - before.start_ms, end - start
                score = (before.score * spans[0] + row.score * spans[1]) / sum(spans)
                events.append(Event(before.start_ms, end, row.label, score))
            else:
                events.append(Event(start, end, row.label, row.score))
    return tuple(event for event in events if event.label != background)
