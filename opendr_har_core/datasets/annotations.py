"""Annotated segments of videos: CSV files with start, end and label."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from opendr_har_core.datasets.base import ClipDataset, gather
from opendr_har_core.datasets.clips import ClipSpec, Segment, VideoSource
from opendr_har_core.datasets.video_file import open_video
from opendr_har_core.errors import DataError
from opendr_har_core.labels import ClassIds, LabelMap, Labels
from opendr_har_core.storage.reading import read_text

LARGEST_TABLE = 64 << 20


@dataclass(frozen=True)
class Annotation:
    """One line of an annotation file.

    Attributes:
        where: file and line, for messages.
        path: the video; empty in files without that column.
        start_sec, end_sec: None for an empty cell, which is the start or end of the video.
        class_id: class of its label.
    """

    where: str
    path: str
    start_sec: Optional[float]
    end_sec: Optional[float]
    class_id: int

    def segment(self, source: VideoSource) -> Segment:
        """The annotated segment of `source`; raises DataError if it lies outside of it."""
        start = self.start_sec or 0.0
        end = source.duration_sec if self.end_sec is None else min(self.end_sec, source.duration_sec)
        if start >= source.duration_sec:
            raise DataError(f"{self.where}: starts at {start} s, but {source.name} is {source.duration_sec:.2f} s long")
        return Segment(source, self.class_id, start, end - start)


def read_annotations(table: Union[str, Path], columns: Sequence[str], ids: ClassIds) -> List[Annotation]:
    """Lines of a CSV whose header has `columns`, in any order, with class ids from `ids`.

    Raises DataError for a malformed line and LabelError for an unknown label, both with the line's number.
    """
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
    return [_annotation(f"{table}, line {number}", line, columns, ids) for number, line in lines]


def _annotation(where: str, line: Dict[str, str], columns: Sequence[str], ids: ClassIds) -> Annotation:
    for column in columns:
        if line.get(column) is None:
            raise DataError(f"{where}: no value for {column!r}; expected {','.join(columns)}")
        if "\0" in line[column]:
            raise DataError(f"{where}: the value for {column!r} contains a zero byte")
    values = {column: line[column].strip() for column in columns}
    empty = [column for column in ("path", "label") if values.get(column) == ""]
    if empty:
        raise DataError(f"{where}: a row needs {' and '.join(empty)}, got {line}")
    start, end = (_seconds(where, column, values[column]) for column in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise DataError(f"{where}: ends at {end} s, which is not after its start at {start or 0.0} s")
    return Annotation(where, values.get("path", ""), start, end, ids.id(values["label"], where))


def _seconds(where: str, column: str, text: str) -> Optional[float]:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise DataError(f"{where}: {column} is {text!r}, expected seconds since the first frame, zero or more")
    return value


class AnnotationDataset(ClipDataset):
    """Clips of the segments in a CSV with the header `path,start,end,label`; see ClipDataset for items."""

    def __init__(
        self,
        table: Union[str, Path],
        labels: Labels,
        clip: ClipSpec,
        *,
        root: Optional[Union[str, Path]] = None,
        **options: Any,
    ) -> None:
        """Times are in seconds; an empty start or end is that of the video.

        Paths are relative to `root`, by default the folder of the CSV. `options` are those of ClipDataset: `train`,
        `transform`, `use_caching`, `cache_folder`. Raises LabelError for a label that is not in `labels`, DataError for
        a malformed CSV or when there is no usable clip.
        """
        names = LabelMap.of(labels)
        folder = Path(table).parent if root is None else Path(root)
        rows = read_annotations(table, ("path", "start", "end", "label"), ClassIds(names))
        segments, skipped = gather([(folder / row.path, row.segment) for row in rows], open_video)
        super().__init__(segments, names, clip, skipped=skipped, **options)
