"""Labels of many recordings as a folder of Parquet files: one folder for each recording, which appears as a whole."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import pyarrow as pa
import pyarrow.parquet as pq

from opendr_har_core.errors import DataError
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.sources import Source
from opendr_har_core.recordings.video_labels import SIDES, AnyLabels, PeopleLabels, VideoLabels, seconds
from opendr_har_core.storage.atomic import publish_folder

RECORDINGS, SEGMENTS, PREDICTIONS, PEOPLE, FAILURES = "recordings", "segments", "predictions", "people", "failures"
_LABEL = (("label", pa.string()), ("class_id", pa.int32()), ("score", pa.float32()), ("provisional", pa.bool_()))
# The person, "" for the whole picture.
_TRACK = (("recording", pa.string()), ("track_id", pa.string()))
# The tables. `recordings` has one row per labelled recording, and `failures` one per failed one.
SCHEMAS: Dict[str, Any] = {
    RECORDINGS: pa.schema(
        [
            ("recording", pa.string()),
            ("size", pa.int64()),
            ("version", pa.string()),
            ("start_ns", pa.int64()),
            ("duration_sec", pa.float64()),
            ("warm_up_sec", pa.float64()),
            ("label_delay_sec", pa.float64()),
            ("unreadable", pa.int64()),
            ("label", pa.string()),
            ("score", pa.float32()),
        ]
    ),
    SEGMENTS: pa.schema([*_TRACK, ("start_sec", pa.float64()), ("end_sec", pa.float64()), *_LABEL]),
    PREDICTIONS: pa.schema(
        [
            *_TRACK,
            ("time_sec", pa.float64()),
            *_LABEL,
            ("top_class_ids", pa.list_(pa.int32())),
            ("top_scores", pa.list_(pa.float32())),
        ]
    ),
    PEOPLE: pa.schema([*_TRACK, ("time_sec", pa.float64()), *((side, pa.float32()) for side in SIDES)]),
    FAILURES: pa.schema(
        [
            ("recording", pa.string()),
            ("size", pa.int64()),
            ("version", pa.string()),
            ("error", pa.string()),
            ("message", pa.string()),
        ]
    ),
}
DONE, FAILED = "done", "failed"
UNFINISHED = ".unfinished"
ABANDONED_AFTER_SEC = 86400.0
_SOURCE = b"opendr_har_source"
Rows = Sequence[Mapping[str, Any]]


class LabelTable:
    """The labels of one model with one choice of settings, in `<folder>/<name>/source=<key>/<table>.parquet`.

    The files of a recording are written in a hidden folder, which is then renamed: they appear together, once, and
    whatever happens to the process. Several processes may write at once.
    """

    def __init__(self, folder: Path, name: str, facts: Mapping[str, str]) -> None:
        """`name` is `model=...`; `facts` become metadata of each file."""
        self.path = folder / name
        self._unfinished = folder / UNFINISHED
        self._facts = {f"opendr_har_{key}": value for key, value in facts.items()}

    def open(self) -> None:
        """Create the folders, and remove what killed writers left a day ago; raises DataError."""
        try:
            for folder in (self.path, self._unfinished):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"the folder {self.path} can't be created: {error}") from None
        for left in self._unfinished.iterdir():
            with suppress(OSError):  # another process removed it
                if time.time() - left.stat().st_mtime > ABANDONED_AFTER_SEC:
                    shutil.rmtree(left)

    def state(self, source: Source) -> Optional[str]:
        """DONE, FAILED, or None for a recording that is new or has changed."""
        for name, state in ((RECORDINGS, DONE), (FAILURES, FAILED)):
            with suppress(FileNotFoundError, pa.ArrowException):  # a damaged file is written again
                metadata = pq.read_schema(self._folder(source) / f"{name}.parquet").metadata or {}
                return state if metadata.get(_SOURCE) == _identity(source) else None
        return None

    def write(self, source: Source, labels: AnyLabels) -> None:
        """Write the labels of a recording; raises DataError if that fails."""
        tables = {RECORDINGS: [_recording(source, labels)], **_rows(source, labels)}
        self._publish(source, tables)

    def write_failure(self, source: Source, error: str, message: str) -> None:
        """Write why a recording has no labels: class and text of an error; raises DataError if that fails."""
        row = {**_source_values(source), "error": error, "message": message}
        self._publish(source, {FAILURES: [row]})

    def _folder(self, source: Source) -> Path:
        return self.path / f"source={source.key}"

    def _publish(self, source: Source, tables: Mapping[str, Rows]) -> None:
        facts: Dict[Any, Any] = {**self._facts, _SOURCE: _identity(source)}
        try:
            with tempfile.TemporaryDirectory(dir=self._unfinished) as temporary:
                new = Path(temporary) / "new"
                new.mkdir()
                for name, rows in tables.items():
                    table = pa.Table.from_pylist(list(rows), SCHEMAS[name].with_metadata(facts))
                    pq.write_table(table, new / f"{name}.parquet", compression="zstd")
                self._replace(new, source, Path(temporary) / "old")
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"the labels of {source.uri} can't be written to {self.path}: {error}") from None

    def _replace(self, new: Path, source: Source, old: Path) -> None:
        """Rename `new` unless another process has written the same labels; results of an older file go to `old`."""
        target = self._folder(source)
        while True:
            try:
                publish_folder(new, target)
                return
            except OSError:  # not empty
                if not target.exists():
                    raise
            if self.state(source) == DONE:
                return
            shutil.rmtree(old, ignore_errors=True)
            with suppress(FileNotFoundError):  # another process was faster
                target.rename(old)


def read_label_table(folder: Union[str, Path], table: str) -> Any:
    """All rows of `table` in a folder of labels, or in one `model=...` of it, as a pyarrow Table sorted by recording.

    Raises DataError if there are no labels, or those of several models, and for a file that can't be read.
    """
    folder = Path(folder)
    models = [folder] if folder.name.startswith("model=") else sorted(folder.glob("model=*"))
    if len(models) != 1:
        found = f"labels of several models: {[path.name for path in models]}; give one" if models else "no labels"
        raise DataError(f"{folder} has {found}")
    parts = [_read(path) for path in sorted(models[0].glob(f"source=*/{table}.parquet"))]
    schema = parts[0].schema.remove_metadata() if parts else SCHEMAS[table]
    rows = pa.concat_tables([part.replace_schema_metadata(None) for part in parts]) if parts else schema.empty_table()
    order = [name for name in ("recording", "track_id", "start_sec", "time_sec") if name in schema.names]
    return rows.sort_by([(name, "ascending") for name in order])


def _read(path: Path) -> Any:
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} can't be read: {error}; remove its folder, and label the recording again") from None


def _identity(source: Source) -> bytes:
    return f"{source.size}|{source.version}|{source.uri}".encode()


def _source_values(source: Source) -> Dict[str, Any]:
    values = asdict(source)
    return {"recording": values.pop("uri"), **values}


def _recording(source: Source, labels: AnyLabels) -> Dict[str, Any]:
    whole = labels.whole if isinstance(labels, VideoLabels) else None
    return {
        **_source_values(source),
        "start_ns": labels.start_ns,
        "duration_sec": labels.duration_sec,
        "warm_up_sec": labels.warm_up_sec,
        "label_delay_sec": labels.label_delay_sec,
        "unreadable": labels.unreadable,
        "label": whole.label if whole else None,
        "score": whole.score if whole else None,
    }


def _rows(source: Source, labels: AnyLabels) -> Dict[str, List[Dict[str, Any]]]:
    segments, predictions, boxes = [], [], []
    for keys, segment in labels.keyed_segments():
        segments.append({**_track(source, keys), **asdict(segment)})
    for keys, sample in labels.keyed_samples():
        who = {**_track(source, keys), "time_sec": seconds(sample)}
        predictions.append({**who, **_prediction(sample)})
        boxes.append({**who, **keys})
    tables = {SEGMENTS: segments, PREDICTIONS: predictions}
    return {**tables, PEOPLE: boxes} if isinstance(labels, PeopleLabels) else tables


def _track(source: Source, keys: Mapping[str, Any]) -> Dict[str, str]:
    return {"recording": source.uri, "track_id": keys.get("track_id", "")}


def _prediction(sample: Prediction) -> Dict[str, Any]:
    best = sample.top[0]
    return {
        **asdict(best),
        "provisional": sample.provisional,
        "top_class_ids": [item.class_id for item in sample.top],
        "top_scores": [item.score for item in sample.top],
    }
