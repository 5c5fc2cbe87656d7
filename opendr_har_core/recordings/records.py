"""What a model says of a video, over the video's own time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np

from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.spec import NANOSECONDS


@dataclass(frozen=True)
class Segment:
    """A stretch of the video with one label.

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
        silent_sec: how long the model looks before its first label.
        warm_up_sec: how long it looks before labels are no longer provisional.
        label_delay_sec: how old a label is when it comes, because the model waits for later frames.
        samples: the predictions that are shown, by rising time; `stamp_ns` counts from the video's beginning, `top`
            begins with the label that holds, as filtered.
        segments: what the samples' labels amount to, without stretches of the no-activity label.
        whole: the mean of all predictions, also those of further passes.
        passes: how often the file was played; shown_pass: which pass the samples are of, from 0 on.
        thumbnails: a few pictures, by rising time.
    """

    path: Path
    model: str
    source: str
    classes: Tuple[str, ...]
    duration_sec: float
    silent_sec: float
    warm_up_sec: float
    label_delay_sec: float
    samples: Tuple[Prediction, ...]
    segments: Tuple[Segment, ...]
    whole: Prediction
    passes: int
    shown_pass: int
    thumbnails: Tuple[Thumbnail, ...]

    @property
    def first_label_sec(self) -> float:
        """Time of the first sample."""
        return seconds(self.samples[0])

    @property
    def remark(self) -> str:
        """From when on there are labels, and why not before, for people."""
        if self.shown_pass:
            return (
                f"{self.model} looks {self.silent_sec:.1f} s before its first label, so a file of "
                f"{self.duration_sec:.2f} s was played {self.passes} times; the labels are those of the last time"
            )
        if self.whole.provisional:
            return (
                f"all labels are provisional: the file is shorter than the {self.warm_up_sec:.1f} s "
                f"that {self.model} looks at"
            )
        if self.samples[0].provisional:
            return f"labels are provisional for the first {self.warm_up_sec:.1f} s, until {self.model} has seen enough"
        return f"labels from {self.first_label_sec:.2f} s on: {self.model} looks that long before its first one"

    def to_dict(self) -> Dict[str, Any]:
        """All but the pictures and the scores of the classes that are not among the best, as JSON-ready values."""
        return {
            "video": str(self.path),
            "model": self.model,
            "source": self.source,
            "duration_sec": round(self.duration_sec, 3),
            "warm_up_sec": round(self.warm_up_sec, 3),
            "label_delay_sec": round(self.label_delay_sec, 3),
            "first_label_sec": round(self.first_label_sec, 3),
            "passes": self.passes,
            "remark": self.remark,
            "whole": {"provisional": self.whole.provisional, "top": hypotheses(self.whole)},
            "segments": [segment_values(segment) for segment in self.segments],
            "samples": [sample_values(sample) for sample in self.samples],
        }


def seconds(sample: Prediction) -> float:
    """A sample's time in its video."""
    return sample.stamp_ns / NANOSECONDS


def hypotheses(prediction: Prediction) -> Any:
    """A prediction's best classes as JSON-ready values, the best first."""
    return [_hypothesis(item) for item in prediction.top]


def sample_values(sample: Prediction) -> Dict[str, Any]:
    """A sample as JSON-ready values."""
    return {"time_sec": round(seconds(sample), 3), "provisional": sample.provisional, "top": hypotheses(sample)}


def segment_values(segment: Segment) -> Dict[str, Any]:
    """A segment as JSON-ready values."""
    return {
        "start_sec": round(segment.start_sec, 3),
        "end_sec": round(segment.end_sec, 3),
        "label": segment.label,
        "class_id": segment.class_id,
        "score": round(segment.score, 6),
        "provisional": segment.provisional,
    }


def _hypothesis(item: Hypothesis) -> Dict[str, Any]:
    return {"label": item.label, "class_id": item.class_id, "score": round(item.score, 6)}
