"""The labels of one recording over its own time, of the whole picture or of each person, and their files."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterable, Iterator, Optional, Sequence, TextIO, Tuple, Union

import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

SEGMENT_COLUMNS = ("start_sec", "end_sec", "label", "class_id", "score", "provisional")
SIDES = ("left", "top", "right", "bottom")
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
class LabelledVideo:
    """One video through one model, and its files; whose labels there are is up to the subclass.

    Attributes:
        path: the file, or the bag's folder.
        model: name of the network; source: where its weights come from.
        classes: names of all classes, by class id.
        start_ns: stamp of the first frame: that of its header in a bag, 0 in a video file.
        duration_sec: time of the last frame, after the first, plus one frame interval.
        unreadable: images of a bag that could not be used.
        warm_up_sec: time until labels are no longer provisional.
        label_delay_sec: how old a label is when it comes, because the model waits for later frames.
        thumbnails: a few pictures, by rising time.
    """

    segment_keys: ClassVar[Tuple[str, ...]] = ()
    sample_keys: ClassVar[Tuple[str, ...]] = ()

    path: Path
    model: str
    source: str
    classes: Tuple[str, ...]
    start_ns: int
    duration_sec: float
    unreadable: int
    warm_up_sec: float
    label_delay_sec: float
    thumbnails: Tuple[Thumbnail, ...]

    @property
    def remark(self) -> str:
        """When labels begin, and why not earlier, for readers."""
        raise NotImplementedError

    def keyed_samples(self) -> Iterator[Tuple[Dict[str, Any], Prediction]]:
        """Each sample, with the values of `sample_keys`, which say whose it is."""
        raise NotImplementedError

    def keyed_segments(self) -> Iterator[Tuple[Dict[str, Any], Segment]]:
        """Each segment, with the values of `segment_keys`, which say whose it is."""
        raise NotImplementedError

    def summary(self) -> Dict[str, Any]:
        """JSON-ready values about the whole video."""
        raise NotImplementedError

    def to_dict(self) -> Dict[str, Any]:
        """JSON-ready values: everything but thumbnails and the scores of classes that are not among the best."""
        return {
            "video": str(self.path),
            "model": self.model,
            "source": self.source,
            "duration_sec": round(self.duration_sec, 3),
            "warm_up_sec": round(self.warm_up_sec, 3),
            "label_delay_sec": round(self.label_delay_sec, 3),
            "remark": self.remark,
            **self.summary(),
            "segments": [{**keys, **segment.to_dict()} for keys, segment in self.keyed_segments()],
            "samples": [{**_with_box(keys), **sample_values(sample)} for keys, sample in self.keyed_samples()],
        }

    def write_segments(self, path: Path) -> None:
        """A CSV row for each segment: its keys and `SEGMENT_COLUMNS`; raises DataError if it can't be written."""
        columns = (*self.segment_keys, *SEGMENT_COLUMNS)
        rows = ({**keys, **segment.to_dict()} for keys, segment in self.keyed_segments())
        _write_csv(path, columns, ([row[name] for name in columns] for row in rows))

    def write_scores(self, path: Path) -> None:
        """A CSV row for each sample: its keys, `SAMPLE_COLUMNS` and the probability of each class; raises DataError."""
        rows = (
            [*(keys[name] for name in self.sample_keys)]
            + [f"{seconds(sample):.3f}", sample.label, f"{sample.score:.6f}", sample.provisional]
            + [f"{score:.6f}" for score in sample.scores.tolist()]
            for keys, sample in self.keyed_samples()
        )
        _write_csv(path, (*self.sample_keys, *SAMPLE_COLUMNS, *self.classes), rows)

    def write_json(self, path: Path) -> None:
        """`to_dict` as JSON; raises DataError if the file can't be written."""
        with _written(path) as file:
            file.write(json.dumps(self.to_dict(), indent=1) + "\n")


@dataclass(frozen=True)
class VideoLabels(LabelledVideo):
    """The labels of the whole picture.

    Attributes:
        samples: the predictions that are shown, by rising time; `stamp_ns` counts from the beginning of the video.
        segments: parts of the video with one label, without those of the no-activity label.
        whole: the mean of all predictions.
    """

    samples: Tuple[Prediction, ...]
    segments: Tuple[Segment, ...]
    whole: Prediction

    @property
    def first_label_sec(self) -> float:
        """Time of the first sample."""
        return seconds(self.samples[0])

    @property
    def remark(self) -> str:
        """See `LabelledVideo`."""
        if self.whole.provisional:
            return (
                f"all labels are provisional: the file is shorter than the {self.warm_up_sec:.1f} s "
                f"that {self.model} looks at"
            )
        if self.samples[0].provisional:
            return f"labels are provisional for the first {self.warm_up_sec:.1f} s, the window of {self.model}"
        return f"labels begin at {self.first_label_sec:.2f} s: {self.model} needs that long before its first one"

    def keyed_samples(self) -> Iterator[Tuple[Dict[str, Any], Prediction]]:
        """See `LabelledVideo`."""
        return (({}, sample) for sample in self.samples)

    def keyed_segments(self) -> Iterator[Tuple[Dict[str, Any], Segment]]:
        """See `LabelledVideo`."""
        return (({}, segment) for segment in self.segments)

    def summary(self) -> Dict[str, Any]:
        """See `LabelledVideo`."""
        whole = {"provisional": self.whole.provisional, "top": _top_values(self.whole)}
        return {"first_label_sec": round(self.first_label_sec, 3), "whole": whole}


@dataclass(frozen=True)
class PersonLabels:
    """One person in a video.

    Attributes:
        track_id: of the person.
        start_sec, end_sec: from the first frame with the person to the last one.
        samples, segments: as those of `VideoLabels`; samples may be missing for a person who is seen briefly.
        boxes: left, top, right, bottom in pixels at each sample.
        whole: the mean of the samples, None without any.
    """

    track_id: str
    start_sec: float
    end_sec: float
    samples: Tuple[Prediction, ...]
    segments: Tuple[Segment, ...]
    boxes: Tuple[Tuple[float, float, float, float], ...]
    whole: Optional[Prediction]

    def to_dict(self) -> Dict[str, Any]:
        """JSON-ready values, without samples and segments."""
        whole = {"provisional": self.whole.provisional, "top": _top_values(self.whole)} if self.whole else None
        times = {"start_sec": round(self.start_sec, 3), "end_sec": round(self.end_sec, 3)}
        return {"track_id": self.track_id, **times, "whole": whole}


@dataclass(frozen=True)
class PeopleLabels(LabelledVideo):
    """The labels of each person, in the order in which they are first seen."""

    segment_keys = ("track_id",)
    sample_keys = ("track_id", *SIDES)

    people: Tuple[PersonLabels, ...]

    @property
    def remark(self) -> str:
        """See `LabelledVideo`."""
        if not self.people:
            return "nobody was found; raise --detector-size for people who are small in the picture"
        return f"a person's labels are provisional, or missing, for the first {self.warm_up_sec:.1f} s in view"

    def keyed_samples(self) -> Iterator[Tuple[Dict[str, Any], Prediction]]:
        """See `LabelledVideo`."""
        for person in self.people:
            for box, sample in zip(person.boxes, person.samples):
                corners = zip(self.sample_keys[1:], (round(value, 1) for value in box))
                yield {"track_id": person.track_id, **dict(corners)}, sample

    def keyed_segments(self) -> Iterator[Tuple[Dict[str, Any], Segment]]:
        """See `LabelledVideo`."""
        return (({"track_id": person.track_id}, segment) for person in self.people for segment in person.segments)

    def summary(self) -> Dict[str, Any]:
        """See `LabelledVideo`."""
        return {"people": [person.to_dict() for person in self.people]}


AnyLabels = Union[VideoLabels, PeopleLabels]


def seconds(sample: Prediction) -> float:
    """Time of a sample in its video."""
    return sample.stamp_ns / NANOSECONDS


def sample_values(sample: Prediction) -> Dict[str, Any]:
    """A sample as JSON-ready values."""
    return {"time_sec": round(seconds(sample), 3), "provisional": sample.provisional, "top": _top_values(sample)}


def _with_box(keys: Dict[str, Any]) -> Dict[str, Any]:
    """The keys of a sample, with the sides of a box below "box": "top" are the best classes."""
    box = {side: keys[side] for side in SIDES if side in keys}
    return {**{name: keys[name] for name in keys if name not in box}, **({"box": box} if box else {})}


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
