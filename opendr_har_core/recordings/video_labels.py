"""The labels of one video over its own time, and their CSV and JSON files."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Sequence, TextIO, Tuple

import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

SEGMENT_COLUMNS = ("start_sec", "end_sec", "label", "class_id", "score", "provisional")
SAMPLE_COLUMNS = ("time_sec", "label", "score", "provisional")


@dataclass(frozen=True)
class Segment:
    """A part of the video with one label.

    Attributes:
        start_sec, end_sec: from the first prediction that shows the label to the one that shows another, or to the end
            of the video.
        label, class_id: which.
        score: mean probability over the predictions that show it.
        provisional: whether only provisional predictions show it.
    """

    start_sec: float
    end_sec: float
    label: str
    class_id: int
    score: float
    provisional: bool

    def to_dict(self) -> Dict[str, Any]:
        """JSON-ready values, rounded."""
        rounded = {"start_sec": round(self.start_sec, 3), "end_sec": round(self.end_sec, 3)}
        return {**asdict(self), **rounded, "score": round(self.score, 6)}


@dataclass(frozen=True)
class Thumbnail:
    """A small uint8 (height, width, 3) RGB picture of the video at a time."""

    time_sec: float
    rgb: np.ndarray


@dataclass(frozen=True)
class VideoLabels:
    """One video through one model.

    Attributes:
        path: the file.
        model: name of the network; source: where its weights come from.
        classes: names of all classes, by class id.
        duration_sec: time of the last frame plus one frame interval.
        warm_up_sec: time until labels are no longer provisional.
        label_delay_sec: how old a label is when it comes, because the model waits for later frames.
        samples: the predictions that are shown, by rising time; `stamp_ns` counts from the beginning of the video.
        segments: parts of the video with one label, without those of the no-activity label.
        whole: the mean of all predictions.
        thumbnails: a few pictures, by rising time.
    """

    path: Path
    model: str
    source: str
    classes: Tuple[str, ...]
    duration_sec: float
    warm_up_sec: float
    label_delay_sec: float
    samples: Tuple[Prediction, ...]
    segments: Tuple[Segment, ...]
    whole: Prediction
    thumbnails: Tuple[Thumbnail, ...]

    @property
    def first_label_sec(self) -> float:
        """Time of the first sample."""
        return seconds(self.samples[0])

    @property
    def remark(self) -> str:
        """When labels begin, and why not earlier, for people."""
        if self.whole.provisional:
            return (
                f"all labels are provisional: the file is shorter than the {self.warm_up_sec:.1f} s "
                f"that {self.model} looks at"
            )
        if self.samples[0].provisional:
            return f"labels are provisional for the first {self.warm_up_sec:.1f} s, the window of {self.model}"
        return f"labels begin at {self.first_label_sec:.2f} s: {self.model} needs that long before its first one"

    def to_dict(self) -> Dict[str, Any]:
        """JSON-ready values: everything but thumbnails and the scores of classes that are not among the best."""
        return {
            "video": str(self.path),
            "model": self.model,
            "source": self.source,
            "duration_sec": round(self.duration_sec, 3),
            "warm_up_sec": round(self.warm_up_sec, 3),
            "label_delay_sec": round(self.label_delay_sec, 3),
            "first_label_sec": round(self.first_label_sec, 3),
            "remark": self.remark,
            "whole": {"provisional": self.whole.provisional, "top": _top_values(self.whole)},
            "segments": [segment.to_dict() for segment in self.segments],
            "samples": [sample_values(sample) for sample in self.samples],
        }

    def write_segments(self, path: Path) -> None:
        """A CSV row for each segment, `SEGMENT_COLUMNS`; raises DataError if the file can't be written."""
        rows = ([segment.to_dict()[name] for name in SEGMENT_COLUMNS] for segment in self.segments)
        _write_csv(path, SEGMENT_COLUMNS, rows)

    def write_scores(self, path: Path) -> None:
        """A CSV row for each sample, `SAMPLE_COLUMNS` and the probability of each class; raises DataError."""
        rows = (
            [f"{seconds(sample):.3f}", sample.label, f"{sample.score:.6f}", sample.provisional]
            + [f"{score:.6f}" for score in sample.scores.tolist()]
            for sample in self.samples
        )
        _write_csv(path, (*SAMPLE_COLUMNS, *self.classes), rows)

    def write_json(self, path: Path) -> None:
        """`to_dict` as JSON; raises DataError if the file can't be written."""
        with _written(path) as file:
            file.write(json.dumps(self.to_dict(), indent=1) + "\n")


def seconds(sample: Prediction) -> float:
    """Time of a sample in its video."""
    return sample.stamp_ns / NANOSECONDS


def sample_values(sample: Prediction) -> Dict[str, Any]:
    """A sample as JSON-ready values."""
    return {"time_sec": round(seconds(sample), 3), "provisional": sample.provisional, "top": _top_values(sample)}


def _top_values(prediction: Prediction) -> Any:
    return [{**asdict(item), "score": round(item.score, 6)} for item in prediction.top]


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with _written(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    try:
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise DataError(f"{path} can't be written: {error}") from None
