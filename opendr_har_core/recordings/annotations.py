"""Annotated segments: CSV files with start, end and label."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

from opendr_har_core.errors import DataError
from opendr_har_core.storage.reading import read_text

LARGEST_TABLE = 64 << 20


@dataclass(frozen=True)
class Annotation:
    """One line of an annotation file.

    Attributes:
        where: file and line, for messages.
        path: the video; empty in files without that column.
        start_sec, end_sec: None for an empty cell, which is the start or end of the video.
        label: class name, as it stands there.
    """

    where: str
    path: str
    start_sec: Optional[float]
    end_sec: Optional[float]
    label: str


def read_table(table: Union[str, Path]) -> Tuple[Sequence[str], List[Tuple[str, Dict[str, str]]]]:
    """The header of a CSV, and each line with its file and number; raises DataError if it can't be read."""
    table = Path(table)
    try:
        text = read_text(table, LARGEST_TABLE)
        reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
        lines = [(f"{table}, line {reader.line_num}", line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"can't read the annotations in {table}: {error}") from None
    return reader.fieldnames or [], lines


def read_annotations(table: Union[str, Path], columns: Sequence[str]) -> List[Annotation]:
    """Lines of a CSV whose header has `columns`, in any order.

    Raises DataError for a malformed line, with its number.
    """
    header, lines = read_table(table)
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(f"{table} has the columns {list(header)}, but needs {list(columns)} in its first line")
    return [_annotation(where, line, columns) for where, line in lines]


def _annotation(where: str, line: Dict[str, str], columns: Sequence[str]) -> Annotation:
    values = cells(where, line, columns)
    empty = [column for column in ("path", "label") if values.get(column) == ""]
    if empty:
        raise DataError(f"{where}: a row needs {' and '.join(empty)}, got {line}")
    start, end = (seconds_of(where, column, values[column]) for column in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise DataError(f"{where}: ends at {end} s, which is not after its start at {start or 0.0} s")
    return Annotation(where, values.get("path", ""), start, end, values["label"])


def cells(where: str, line: Dict[str, str], columns: Sequence[str]) -> Dict[str, str]:
    """The values of these columns; raises DataError where one is missing or has a zero byte."""
    for column in columns:
        if line.get(column) is None:
            raise DataError(f"{where}: no value for {column!r}; expected {','.join(columns)}")
        if "\0" in line[column]:
            raise DataError(f"{where}: the value for {column!r} contains a zero byte")
    return {column: line[column].strip() for column in columns}


def seconds_of(where: str, column: str, text: str) -> Optional[float]:
    """A time, None for an empty cell; raises DataError for a negative or infinite one, NaN and other text."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise DataError(f"{where}: {column} is {text!r}, expected seconds since the first frame, zero or more")
    return value
