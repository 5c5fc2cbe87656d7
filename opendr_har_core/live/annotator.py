"""A recording that a person annotates, with the labels of models next to it."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Sequence, Tuple

from opendr_har_core.bundles.rewrite import write_with_head
from opendr_har_core.errors import DataError, HarError
from opendr_har_core.labels import plain_name
from opendr_har_core.live.subscribers import encode
from opendr_har_core.media.video import shift
from opendr_har_core.recordings.bag_reader import Unreadable
from opendr_har_core.recordings.label_video import open_recording
from opendr_har_core.recordings.numbered_frames import NumberedFrames
from opendr_har_core.recordings.score import score
from opendr_har_core.recordings.score_lines import time_lines
from opendr_har_core.recordings.score_rows import Row, Rows, recording_name
from opendr_har_core.recordings.segment_table import Marked, SegmentTable
from opendr_har_core.recordings.video_labels import VideoLabels
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_core.teaching.fit import fit_head
from opendr_har_core.teaching.teacher import check_teachable, examples_of, teaching_warnings

PICTURES = 64  # that are kept, as JPEG
WAITING, WORKING, READY, FAILED = "waiting", "working", "ready", "failed"
LOG = logging.getLogger(__name__)
# As `label_video`: (recognizer, path, on_frame=, topic=).
Label = Callable[..., VideoLabels]


class Annotator:
    """One recording, its segments and its models; any thread may call its methods, which return JSON-ready values."""

    def __init__(
        self,
        recording: Path,
        topic: Optional[str],
        table: Path,
        classes: Sequence[str],
        models: Dict[str, Recognizer],
        label: Label,
        background: str = LabelSettings.no_activity_label,
        keep_base: bool = False,
        picture_side: int = 960,
    ) -> None:
        """Index the recording, read the table, and begin to label with the models, by name, in the background.

        A page offers `classes` and those in the table. Raises HarError.
        """
        self._recording, self._topic, self._models, self._label_with = recording, topic, models, label
        self._background, self._keep_base = background, keep_base
        self._frames = NumberedFrames(recording, topic)
        self._encoded = lru_cache(PICTURES)(lambda number: encode(self._frames.read(number), picture_side))
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._thread = ThreadPoolExecutor(1, "annotator")
        self._teaching: Dict[str, Any] = {"phase": "", "text": "", "warnings": ()}
        try:
            self._table = SegmentTable(table, recording, self._frames.duration_ns / NANOSECONDS)
        except BaseException:
            self.stop()
            raise
        self._classes = dict.fromkeys([*classes, *(segment.label for segment in self._table.segments)])
        self._rows = [_row(name) for name in models]
        for row, recognizer in zip(self._rows, models.values()):
            self._thread.submit(self._label, row, recognizer)

    def hello(self) -> Dict[str, Any]:
        """Read the table again; returns paths, classes, the duration and frame times in s, and the state.

        Raises DataError.
        """
        with self._lock:
            self._table.read()
            self._classes.update(dict.fromkeys(segment.label for segment in self._table.segments))
            self._score()
        times = [round(time / NANOSECONDS, 3) for time in self._frames.times_ns]
        files = {"recording": str(self._recording), "table": str(self._table.path), "classes": list(self._classes)}
        return {**files, "duration": self._table.duration_sec, "times": times, **self.state()}

    def state(self) -> Dict[str, Any]:
        """The segments with their revision; of each model its name, phase, labels and figures; and the teaching."""
        with self._lock:
            segments = {"revision": self._table.revision, "segments": self._table.segments}
            return {**segments, "rows": [dict(row) for row in self._rows], "teaching": self._teaching}

    def write(self, revision: str, segments: Sequence[Marked]) -> Dict[str, Any]:
        """Replace the segments in the table; see `SegmentTable.write`. Returns the state."""
        with self._lock:
            self._table.write(revision, segments)
            self._score()
        return self.state()

    def picture(self, number: int) -> bytes:
        """A frame as JPEG; raises VideoError for one that can't be read."""
        return self._encoded(number)

    def teach(self) -> None:
        """Begin to teach the first model from the segments, and to label with the result.

        Raises DataError without a model or segments, or while it is taught.
        """
        with self._lock:
            if not self._models or not self._table.segments:
                raise DataError("there is nothing to teach: start with a model, and mark segments of each class")
            if self._teaching["phase"] == WORKING:
                raise DataError("a model is being taught; wait for it")
            self._teaching = {"phase": WORKING, "text": "teaching", "warnings": ()}
            self._thread.submit(self._teach, self._table.segments)

    def stop(self) -> None:
        """Stop working and close the recording."""
        self._stopped.set()
        self._thread.shutdown()
        self._frames.close()

    def _label(self, row: Dict[str, Any], recognizer: Recognizer) -> None:
        """Label the recording; nothing may end the thread."""

        def report(done: int, _: Optional[int]) -> None:
            row.update(phase=WORKING, done=min(1.0, done / len(self._frames.times_ns)))  # some have no number
            self._check_running()

        try:
            found = self._label_with(recognizer, self._recording, on_frame=report, topic=self._topic)
            segments = [(item["start_sec"], item["end_sec"], item["label"]) for item in found.to_dict()["segments"]]
            with self._lock:
                row.update(phase=READY, segments=segments)
                self._score()
        except Exception as error:  # shown on the page
            row.update(phase=FAILED, text=_text(error))

    def _score(self) -> None:
        """Compare the models with the segments."""
        for row in (row for row in self._rows if row["phase"] == READY):
            row.update(figures=None, text="")
            try:
                row.update(figures=self._figures(row["segments"]))
            except DataError as error:
                row.update(text=str(error))

    def _figures(self, segments: Sequence[Tuple[float, float, str]]) -> Optional[Dict[str, Any]]:
        """Those of `opendr-har score`; None if nothing is marked."""
        name = recording_name(self._table.name)
        labels = Rows([Row(name, "", *item) for item in segments], {name: self._table.duration_sec})
        truth = Rows([Row(name, "", *item) for item in self._table.segments])
        spelled: Dict[str, str] = {}
        for label in (self._background, *(item.label for item in labels.rows)):
            spelled.setdefault(plain_name(label), label)
        lines = time_lines(labels, truth, self._background, lambda label, _: spelled.get(plain_name(label), label))
        return score(lines, replicates=0).overall if lines else None

    def _teach(self, segments: Sequence[Marked]) -> None:
        warnings: Sequence[str] = ()
        try:
            base, recognizer = next(iter(self._models.items()))
            check_teachable(recognizer, self._keep_base)
            with open_recording(self._recording, self._topic, Unreadable()) as video:
                examples = examples_of(recognizer, self._numbered(shift(video, 0)), segments)
            head = fit_head(examples.by_label, recognizer.head, self._keep_base)
            warnings = teaching_warnings(recognizer, examples, head, self._keep_base)
            path = write_with_head(bundle_path(base), head, self._table.path.with_suffix(".onnx"))
            self._rows = [*self._rows[: len(self._models)], _row(path.name, is_taught=True)]
            self._label(self._rows[-1], recognizer.with_head(head))
            learned = ", ".join(f"{label} ({count})" for label, count in examples.counts.items())
            phase, text = READY, f"{path} has learned {learned}"
        except Exception as error:  # shown on the page
            phase, text = FAILED, _text(error)
        self._teaching = {"phase": phase, "text": text, "warnings": warnings}

    def _numbered(self, frames: Iterable[AnyFrame]) -> Iterator[AnyFrame]:
        last_ns = -1
        for frame in frames:
            self._check_running()
            if frame.stamp_ns > last_ns:  # the others have no number, and nobody could mark them
                last_ns = frame.stamp_ns
                yield frame

    def _check_running(self) -> None:
        if self._stopped.is_set():
            raise HarError("the annotator stops")


def _row(name: str, is_taught: bool = False) -> Dict[str, Any]:
    values = {"phase": WAITING, "done": 0.0, "text": "", "segments": (), "figures": None}
    return {"name": name, "is_taught": is_taught, **values}


def _text(error: Exception) -> str:
    if isinstance(error, HarError):
        return str(error)
    LOG.error("the annotator continues after an error", exc_info=error)
    return repr(error)
