"""The annotated segments of one recording in a CSV `path,start,end,label` that may hold others, too."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from codecs import BOM_UTF8
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple

from opendr_har_core.errors import ConfigError, DataError, ResourceError
from opendr_har_core.labels import LabelMap
from opendr_har_core.recordings.annotations import LARGEST_TABLE, read_annotations, read_table
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.storage.reading import read_regular

COLUMNS = ("path", "start", "end", "label")
# Annotators of other tools let segments overlap by a frame or two: the earlier one then ends where the later begins.
TOUCH_SEC = 0.1
# Longer ones would make a CSV that can't be read again.
LONGEST_LABEL = 1000


class Marked(NamedTuple):
    """A segment: seconds since the first frame, in whole milliseconds, and the name of its class."""

    start: float
    end: float
    label: str


class SegmentTable:
    """Reads and writes the segments of a recording.

    Attributes:
        name: the recording's path in the CSV, relative to its folder.
        segments: rising, without overlaps.
        revision: changes with the content of the file.
    """

    def __init__(self, path: Path, recording: Path, duration_sec: float) -> None:
        """`path` may be missing. Raises DataError for a CSV that can't be read, or whose segments overlap."""
        self.path, self._recording, self.duration_sec = path, os.path.realpath(recording), round(duration_sec, 3)
        self.segments: Tuple[Marked, ...] = ()
        place = recording.absolute()
        place = place.parent.resolve() / place.name
        self.name = Path(os.path.relpath(place, path.absolute().parent.resolve())).as_posix()
        if self.name != self.name.strip() or not self.name.isprintable():
            raise ConfigError(f"{str(recording)!r} can't be a path in a CSV; rename it")
        self.read()

    def read(self) -> None:
        """Read the file again; raises DataError."""
        content = self._content()
        header: Sequence[str] = COLUMNS
        others: List[Dict[str, str]] = []
        own: Dict[Marked, Dict[str, str]] = {}
        found: List[Tuple[Marked, str]] = []
        if os.path.lexists(self.path):
            header, lines = read_table(self.path)
            for row, (_, line) in zip(read_annotations(self.path, COLUMNS), lines):
                if os.path.realpath(self.path.parent / row.path) != self._recording:
                    others.append(line)
                    continue
                end = self.duration_sec if row.end_sec is None else min(row.end_sec, self.duration_sec)
                found.append((Marked(round(row.start_sec or 0.0, 3), round(end, 3), row.label), row.where))
                own[found[-1][0]] = line
        segments: List[Marked] = []
        for segment, where in sorted(found):
            before = segments[-1] if segments else Marked(0.0, 0.0, "")
            if segment.start >= segment.end or round(before.end - segment.start, 3) > TOUCH_SEC:
                raise DataError(f"{where}: {segment} overlaps {before}, or is beyond the end, {self.duration_sec} s")
            if segment.start < before.end:
                segments[-1] = before._replace(end=segment.start)
            segments.append(segment)
        self.segments = tuple(segment for segment in segments if segment.start < segment.end)
        self.revision, self._header, self._others, self._own = _digest(content), header, others, own
        # Spreadsheets take a file without the mark for one of another encoding.
        self._encoding = "utf-8-sig" if content.startswith(BOM_UTF8) else "utf-8"

    def write(self, revision: str, segments: Sequence[Marked]) -> None:
        """Replace the segments that had this revision, atomically; a failure changes nothing.

        Raises DataError for other revisions, a file that somebody else has changed, and segments that are malformed or
        overlap; ResourceError if the file can't be written.
        """
        if revision != self.revision:
            raise DataError("another page has changed the segments; reload this page to go on with them")
        if _digest(self._content()) != self.revision:
            raise DataError(f"somebody else has changed {self.path}; reload this page to go on with what it says now")
        segments = sorted(Marked(round(start, 3), round(end, 3), label.strip()) for start, end, label in segments)
        for segment, later in zip(segments, [*segments[1:], Marked(math.inf, math.inf, "")]):
            LabelMap([segment.label])
            if len(segment.label) > LONGEST_LABEL:
                raise DataError(f"a class name has {len(segment.label)} letters, expected at most {LONGEST_LABEL}")
            if not 0 <= segment.start < segment.end <= min(later.start, self.duration_sec):
                raise DataError(
                    f"{segment.label!r} from {segment.start} to {segment.end} s is empty, overlaps the next segment or "
                    f"lies outside of the recording"
                )
        rows = [self._own.get(segment) or dict(zip(COLUMNS, map(str, (self.name, *segment)))) for segment in segments]
        try:
            with atomic_path(os.path.realpath(self.path)) as temporary:  # a link stays one
                with temporary.open("w", newline="", encoding=self._encoding) as file:
                    writer = csv.DictWriter(file, self._header, restval="", extrasaction="ignore", lineterminator="\n")
                    writer.writeheader()
                    writer.writerows([*self._others, *rows])
                revision = _digest(read_regular(temporary, LARGEST_TABLE))
        except OSError as error:
            raise ResourceError(f"{self.path} can't be written: {error}") from None
        self.segments, self.revision = tuple(segments), revision

    def _content(self) -> bytes:
        try:
            return read_regular(self.path, LARGEST_TABLE)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DataError(f"{self.path} can't be read: {error}") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
