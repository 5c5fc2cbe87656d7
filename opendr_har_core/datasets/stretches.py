"""Tables of labelled stretches of time, and the stretches of a source that they name."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

from opendr_har_core.datasets.clips import Segment, Source
from opendr_har_core.errors import DataError
from opendr_har_core.storage.reading import read_text

LARGEST_TABLE = 64 << 20


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        where: file and line, for messages.
        path: the file it speaks of; empty in tables without that column.
        start_sec, end_sec: from when to when; None where the cell is empty, for the start or end of the source.
        label: name of the class.
    """

    where: str
    path: str
    start_sec: Optional[float]
    end_sec: Optional[float]
    label: str


def read_table(table: Union[str, Path], columns: Sequence[str]) -> List[Row]:
    """The rows of a CSV with a header of `columns`, in any order; raises DataError naming the line that is wrong."""
    table = Path(table)
    try:
        text = read_text(table, LARGEST_TABLE)
        reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
        lines = [(reader.line_num, line) for line in reader]
        header = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"can't read the annotations in {table}: {error}") from None
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(f"{table} has the columns {list(header)}, but needs {list(columns)} in its first line")
    return [_row(f"{table}, line {number}", line, columns) for number, line in lines]


def segment_of(row: Row, source: Source, class_id: int) -> Segment:
    """The stretch of the source that a row names; raises DataError when it is not within the source."""
    start = row.start_sec or 0.0
    end = source.duration_sec if row.end_sec is None else min(row.end_sec, source.duration_sec)
    if start >= source.duration_sec:
        raise DataError(f"{row.where}: starts at {start} s, but {source.name} is {source.duration_sec:.2f} s long")
    return Segment(source, class_id, start, end - start)


def _row(where: str, line: Dict[str, str], columns: Sequence[str]) -> Row:
    for column in columns:
        if line.get(column) is None:
            raise DataError(f"{where}: no value for {column!r}; expected {','.join(columns)}")
        if "\0" in line[column]:
            raise DataError(f"{where}: the value for {column!r} has a zero byte in it, which no text has")
    label, path = line["label"].strip(), line.get("path", "").strip() if "path" in columns else ""
    if not label or ("path" in columns and not path):
        raise DataError(
            f"{where}: a row needs {' and '.join(c for c in columns if c in ('path', 'label'))}, got {line}"
        )
    start, end = (_seconds(where, column, line[column]) for column in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise DataError(f"{where}: ends at {end} s, which is not after its start at {start or 0.0} s")
    return Row(where, path, start, end, label)


def _seconds(where: str, column: str, text: str) -> Optional[float]:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise DataError(f"{where}: {column} is {text!r}, expected seconds from the first frame on, zero or more")
    return value
