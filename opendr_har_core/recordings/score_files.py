"""Reads what `score` compares: labels of `infer`, `label` and `bag`; CSV, ELAN and Label Studio files, and bags."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.recordings.annotations import LARGEST_TABLE, cells, read_annotations, read_table, seconds_of
from opendr_har_core.recordings.score_rows import Row, Rows, recording_name
from opendr_har_core.recordings.sources import is_bag
from opendr_har_core.recordings.video_labels import SIDES
from opendr_har_core.storage.reading import read_text

LABELS_JSON, LABELS_CSV = ".labels.json", ".labels.csv"
# Folders of tables are named so.
MODEL = "model="
BOX_COLUMNS = ("time_sec", "id", "action", *SIDES)
LARGEST_NUMBER = 1e12
# Label Studio puts eight hex digits before the names of uploaded files.
UPLOADED = re.compile(r"^[0-9a-f]{8}-")


def read_labels(paths: Sequence[Path], topic: Optional[str] = None, images: Optional[str] = None) -> Rows:
    """The segments in `.labels.json` and `.labels.csv` files, those below folders, tables of `label`, and bags.

    Of a video with both, the JSON is read, which also has the duration and people's boxes. `topic` and `images` are
    those of `score_bags.read_bag`. Raises DataError.
    """
    found = Rows()
    for path in paths:
        if not path.exists():
            raise DataError(f"there are no labels {path}")
    bags = [path for path in paths if is_bag(path)]
    tables = [path for path in paths if path.name.startswith(MODEL) or any(path.glob(f"{MODEL}*"))]
    for path in bags:
        bag = _read_bag(path, topic, images)
        for name, duration in bag.durations.items():
            _new_recording(path, name, duration, found)
        found.rows += bag.rows
        found.boxes.update(bag.boxes)
    for path in tables:
        _add_tables(path, found)
    for path in _label_files([path for path in paths if path not in (*bags, *tables)]):
        if path.suffix.lower() == ".json":
            _add_labels_json(path, found)
        else:
            _add_labels_csv(path, found)
    return found


def read_truth(
    paths: Sequence[Path],
    tier: Optional[str] = None,
    fps: Optional[float] = None,
    topic: Optional[str] = None,
    images: Optional[str] = None,
) -> Rows:
    """Annotations: CSV with `path,start,end,label`, box tables as of `synth --people`, ELAN, Label Studio JSON, bags.

    `tier` selects one of an ELAN file, `fps` is the frame rate of Label Studio's frame numbers, `topic` and `images`
    are those of `score_bags.read_bag`. Raises DataError with file and line, ConfigError without a needed `fps` or
    `topic`.
    """
    found = Rows()
    for path in paths:
        suffix = path.suffix.lower()
        if is_bag(path):
            if topic is None:
                raise ConfigError(f"{path} is a bag: name the topic of its annotations, --truth-topic")
            bag = _read_bag(path, topic, images)
            found.rows += (replace(row, score=1.0) for row in bag.rows)
            found.boxes.update(bag.boxes)
        elif suffix == ".eaf":
            found.rows += _elan(path, tier)
        elif suffix == ".json":
            found.rows += _label_studio(path, fps)
        else:
            _add_table(path, found)
    if not found.rows:
        raise DataError(f"no annotation in {', '.join(map(str, paths))}")
    return found


def _read_bag(path: Path, topic: Optional[str], images: Optional[str]) -> Rows:
    from opendr_har_core.recordings.score_bags import read_bag

    return read_bag(path, topic, images)


def _label_files(paths: Sequence[Path]) -> List[Path]:
    files: List[Path] = []
    for path in paths:
        within = [path]
        if path.is_dir():
            within = sorted(file for ending in (LABELS_JSON, LABELS_CSV) for file in path.rglob(f"*{ending}"))
        if not within:
            raise DataError(
                f"{path} is no bag and has no *{LABELS_JSON} or *{LABELS_CSV}; `infer --output` writes them"
            )
        files += within
    complete = {path.with_name(_stem(path)) for path in files if path.name.endswith(LABELS_JSON)}
    return [
        path
        for path in dict.fromkeys(files)
        if not (path.name.endswith(LABELS_CSV) and path.with_name(_stem(path)) in complete)
    ]


def _stem(path: Path) -> str:
    for ending in (LABELS_JSON, LABELS_CSV):
        if path.name.endswith(ending):
            return path.name[: -len(ending)]
    return path.stem


def _add_labels_csv(path: Path, found: Rows) -> None:
    header, lines = read_table(path)
    columns = ("start_sec", "end_sec", "label", "score")
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(f"{path} has the columns {list(header)}, but a file of labels has {list(columns)}")
    name = _new_recording(path, recording_name(f"{_stem(path)}.csv"), None, found)
    for where, line in lines:
        values = cells(where, line, columns)
        numbers = [seconds_of(where, column, values[column]) for column in ("start_sec", "end_sec", "score")]
        _add_label(where, name, line.get("track_id") or "", numbers, values["label"], found)


def _add_labels_json(path: Path, found: Rows) -> None:
    content = _json(path)
    try:
        video, segments, samples = content["video"], content["segments"], content["samples"]
        duration = _finite(content["duration_sec"])
        name = _new_recording(path, recording_name(video), duration, found)
        for index, item in enumerate(segments):
            where = f"{path}, segment {index + 1}"
            numbers = [item[key] for key in ("start_sec", "end_sec", "score")]
            numbers = [seconds_of(where, "start_sec, end_sec or score", str(_finite(value))) for value in numbers]
            _add_label(where, name, str(item.get("track_id", "")), numbers, item["label"], found)
        tracks: Dict[str, List[List[float]]] = {}
        for item in samples:
            if "track_id" in item:
                box = [_finite(value) for value in (item["time_sec"], *(item["box"][side] for side in SIDES))]
                tracks.setdefault(str(item["track_id"]), []).append(box)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is not a file of labels as `infer --output` writes it: {error!r}") from None
    found.boxes.update({(name, track): np.array(sorted(boxes)) for track, boxes in tracks.items()})


def _add_tables(path: Path, found: Rows) -> None:
    """The tables that `label` wrote; recordings without a segment have a duration."""
    from opendr_har_core.recordings.label_table import PEOPLE, RECORDINGS, SEGMENTS, read_label_table

    for row in read_label_table(path, RECORDINGS).to_pylist():
        _new_recording(path, recording_name(row["recording"]), row["duration_sec"], found)
    for row in read_label_table(path, SEGMENTS).to_pylist():
        numbers = row["start_sec"], row["end_sec"], row["score"]
        name = recording_name(row["recording"])
        _add_label(f"{path}, {row['recording']}", name, row["track_id"], numbers, row["label"], found)
    tracks: Dict[Tuple[str, str], List[List[float]]] = {}
    for row in read_label_table(path, PEOPLE).to_pylist():
        key = recording_name(row["recording"]), row["track_id"]
        tracks.setdefault(key, []).append([row["time_sec"], *(row[side] for side in SIDES)])
    found.boxes.update({key: np.array(boxes) for key, boxes in tracks.items()})


def _new_recording(path: Path, name: str, duration: Optional[float], found: Rows) -> str:
    if name in found.durations:
        raise DataError(f"{path}: there are labels of {name} in another file; give one of them")
    found.durations[name] = duration
    return name


def _add_label(where: str, name: str, track: str, numbers: Sequence[Optional[float]], label: Any, found: Rows) -> None:
    start, end, score = numbers
    if start is None or end is None or score is None or end < start or score > 1 or not isinstance(label, str):
        raise DataError(f"{where}: {label!r} from {start} to {end} s with score {score} is no label of a part")
    found.rows.append(Row(name, track, start, end, label, score, where))


def _add_table(path: Path, found: Rows) -> None:
    header, lines = read_table(path)
    if "time_sec" in header:
        _add_boxes(path, header, lines, found)
        return
    columns = ("path", "start", "end", "label") if "path" in header else ("start", "end", "label")
    for item in read_annotations(path, columns):
        end = math.inf if item.end_sec is None else item.end_sec
        found.rows.append(Row(recording_name(item.path), "", item.start_sec or 0.0, end, item.label, 1.0, item.where))


def _add_boxes(path: Path, header: Sequence[str], lines: Sequence[Tuple[str, Dict[str, str]]], found: Rows) -> None:
    """A row for each time in which a person does one thing; it ends when the person is out of view for some frames."""
    missing = [column for column in BOX_COLUMNS if column not in header]
    if missing:
        raise DataError(f"{path} has the columns {list(header)}, but a table of boxes has {list(BOX_COLUMNS)}")
    people: Dict[str, List[Tuple[float, str, List[float], str]]] = {}
    name = recording_name(path.name)
    for where, line in lines:
        values = cells(where, line, BOX_COLUMNS)
        time = seconds_of(where, "time_sec", values["time_sec"])
        try:
            box = [_finite(float(values[side])) for side in SIDES]
        except ValueError:
            raise DataError(f"{where}: {', '.join(SIDES)} are {[values[side] for side in SIDES]}, no box") from None
        if time is None or not values["action"]:
            raise DataError(f"{where}: a row needs time_sec and action, got {line}")
        people.setdefault(values["id"], []).append((time, values["action"], box, where))
    steps = np.diff(sorted({item[0] for items in people.values() for item in items}))
    step = float(np.median(steps)) if len(steps) else 0.0
    for person, items in people.items():
        items.sort(key=lambda item: item[0])
        found.boxes[name, person] = np.array([[time, *box] for time, _, box, _ in items])
        first = items[0]
        for item, after in zip(items, [*items[1:], None]):
            is_gap = after is None or after[0] - item[0] > 2.5 * step
            if after is None or is_gap or after[1] != first[1]:
                end = item[0] + step if after is None or is_gap else after[0]
                found.rows.append(Row(name, person, first[0], end, first[1], 1.0, first[3]))
                first = after or first


def _elan(path: Path, tier: Optional[str]) -> List[Row]:
    """The annotations of the one tier that has times of its own, or of the named one."""
    text = _text(path)
    if "<!DOCTYPE" in text:  # entities can expand without end; ELAN writes none
        raise DataError(f"{path} has a document type declaration, which no file of ELAN has")
    try:
        root = ElementTree.fromstring(text)
        times = {slot.attrib["TIME_SLOT_ID"]: slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
        tiers = {item.attrib["TIER_ID"]: list(item.iter("ALIGNABLE_ANNOTATION")) for item in root.iter("TIER")}
        media = root.find("HEADER/MEDIA_DESCRIPTOR")
        video = (media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or "") if media is not None else ""
        names = [name for name, items in tiers.items() if items]
        if tier is None and len(names) > 1:
            raise DataError(f"{path} has several tiers, {names}; name one with --tier")
        if tier is not None and tier not in tiers:
            raise DataError(f"{path} has no tier {tier!r}, but {list(tiers)}")
        rows = []
        for item in tiers[tier or names[0]] if tier or names else ():
            where = f"{path}, annotation {item.get('ANNOTATION_ID')}"
            start, end = (times[item.attrib[f"TIME_SLOT_REF{side}"]] for side in (1, 2))
            if start is None or end is None:
                raise DataError(f"{where} has no time of its own; align it in ELAN")
            label = (item.findtext("ANNOTATION_VALUE") or "").strip()
            rows.append(_truth_row(where, _file_name(video) or path.name, int(start), int(end), 1000.0, label))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise DataError(f"{path} is not a file of ELAN: {error!r}") from None
    return rows


def _label_studio(path: Path, fps: Optional[float]) -> List[Row]:
    """The timeline labels of all tasks of a JSON export; frames count from 1, and the last one is included."""
    if fps is None:
        raise ConfigError(f"{path} counts frames: give --truth-fps, the frameRate of the Video tag in Label Studio")
    rows: List[Row] = []
    try:
        for task in _json(path):
            files = [value for value in task["data"].values() if isinstance(value, str) and Path(value).suffix]
            name = UPLOADED.sub("", _file_name(files[0])) if files else ""
            for annotation in task["annotations"]:
                where = f"{path}, task {task.get('id')}"
                if annotation.get("was_cancelled"):
                    continue
                for item in annotation["result"]:
                    if item.get("type") == "timelinelabels":
                        (label,) = item["value"]["timelinelabels"]
                        for part in item["value"]["ranges"]:
                            rows.append(_truth_row(where, name, part["start"] - 1, part["end"], fps, label))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is not a JSON export of timeline labels from Label Studio: {error!r}") from None
    return rows


def _file_name(url: str) -> str:
    """The last part of a path or URL of any machine: `file:///C:/my%20clip.mp4`, `/data/?d=a%5Cclip.mp4`."""
    return re.split(r"[/\\=]", unquote(url))[-1]


def _truth_row(where: str, video: str, start: float, end: float, per_sec: float, label: str) -> Row:
    if not label or not 0 <= _finite(start) < _finite(end):
        raise DataError(f"{where}: {label!r} from {start / per_sec} to {end / per_sec} s is no annotation")
    return Row(recording_name(video), "", start / per_sec, end / per_sec, label, 1.0, where)


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from None


def _text(path: Path) -> str:
    try:
        return read_text(path, LARGEST_TABLE)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}") from None


def _finite(value: Any) -> float:
    """Raises ValueError for anything but a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < LARGEST_NUMBER:
        raise ValueError(f"{value!r:.40} is not a finite number")
    return float(value)
