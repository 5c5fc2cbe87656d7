"""A video's labels as CSV and JSON; every file appears whole or not at all."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Iterable, Sequence

from opendr_har_core.errors import DataError
from opendr_har_core.recordings.records import VideoLabels, seconds, segment_values
from opendr_har_core.storage.atomic import atomic_path

SEGMENT_COLUMNS = ("start_sec", "end_sec", "label", "class_id", "score", "provisional")
SAMPLE_COLUMNS = ("time_sec", "label", "score", "provisional")


def write_segments(labels: VideoLabels, path: Path) -> None:
    """A row for each segment, `SEGMENT_COLUMNS`; raises DataError where the file can't be written."""
    rows = ([segment_values(segment)[name] for name in SEGMENT_COLUMNS] for segment in labels.segments)
    _write_csv(path, SEGMENT_COLUMNS, rows)


def write_scores(labels: VideoLabels, path: Path) -> None:
    """A row for each sample, `SAMPLE_COLUMNS` and a column of probabilities for each class; raises DataError."""
    rows = (
        [f"{seconds(sample):.3f}", sample.label, f"{sample.score:.6f}", sample.provisional]
        + [f"{score:.6f}" for score in sample.scores.tolist()]
        for sample in labels.samples
    )
    _write_csv(path, (*SAMPLE_COLUMNS, *labels.classes), rows)


def write_json(labels: VideoLabels, path: Path) -> None:
    """`VideoLabels.to_dict`; raises DataError where the file can't be written."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(labels.to_dict(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} can't be written: {error}") from None


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    try:
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
    except OSError as error:
        raise DataError(f"{path} can't be written: {error}") from None
