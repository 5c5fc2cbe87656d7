"""Models compared with a clip network on footage without labels: agreement, reaction, cost.

A clip network sees all frames of its window together, as in training. With weights that were trained on clips it is
the one to trust, and what the other models say is compared with what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.benchmarking.cost import Cost, costs_of
from opendr_har_core.benchmarking.footage import Track, Viewer, follow, lead_seconds, played
from opendr_har_core.benchmarking.reaction import (
    Reactions,
    Splice,
    reactions_to,
    splice_pairs,
    steadiness,
    summarise,
)
from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.media.video import probe
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer

SECONDS, SPLICES = 10.0, 10
# The clip network settles on a label where more of its predictions for a video than this have it.
SETTLED_SHARE = 0.5

# (videos and splices done, of how many)
OnDone = Callable[[int, int], None]


@dataclass(frozen=True)
class SettledLabel:
    """The label that the clip network settles on for a video.

    Attributes:
        video: path of the file.
        class_id, label: the most frequent best label; None where not even half of the predictions have it.
        share: of the predictions that have the most frequent label.
    """

    video: str
    class_id: Optional[int]
    label: Optional[str]
    share: float


@dataclass(frozen=True)
class ModelAgreement:
    """One model beside the clip network.

    Attributes:
        model: as it was given.
        spec: what it is.
        same_stamp: share of the predictions with the same best label as the clip network's at the same stamp.
        same_moment: the same where each is compared with the clip network's prediction of `spec.delay_sec` before,
            which is about the same moment.
        probability: mean score of the label that the clip network settles on; None where it settles on none.
        first_label_sec: from the first frame to the first prediction, which may be provisional.
        reactions: to splices, each to the label that the clip network settles on for the second video.
        cost: for a 30 Hz camera of the first video's size.
    """

    model: str
    spec: ModelSpec
    same_stamp: float
    same_moment: float
    probability: Optional[float]
    first_label_sec: float
    reactions: Reactions
    cost: Cost


@dataclass(frozen=True)
class AgreementReport:
    """All models, the clip network among them, in the order in which they were given.

    Attributes:
        reference: the clip network.
        seconds: of each video that were compared.
        videos: what the clip network settles on for each.
        splices: number of splices shown.
        models: their figures.
    """

    reference: str
    seconds: float
    videos: Tuple[SettledLabel, ...]
    splices: int
    models: Tuple[ModelAgreement, ...]


def measure_agreement(
    names: Sequence[str],
    recognizers: Sequence[Recognizer],
    videos: Sequence[Path],
    seconds: float = SECONDS,
    splices: int = SPLICES,
    on_done: Optional[OnDone] = None,
) -> AgreementReport:
    """Show videos, and splices of them, to models, which are called `names`.

    Each video is looped until every model rests on a full window of real frames; the `seconds` after that are compared.
    Up to `splices` pairs of videos for which the clip network settles on different labels are spliced. Raises
    ConfigError where there is no clip network, where models have different classes and for values that make no sense;
    VideoError; DataError for a video without labels.
    """
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"seconds is {seconds}, expected a time above zero")
    if splices < 0:
        raise ConfigError(f"splices is {splices}, expected zero or more")
    _check_classes(names, recognizers)
    reference = _reference(names, recognizers)
    progress = _Progress(len(videos) + splices, on_done)
    shown = _Shown(names, recognizers, reference, seconds)
    for video in videos:
        shown.add(video)
        progress()
    pairs = islice(splice_pairs([label.class_id for label in shown.settled]), splices)
    cuts = [Splice(videos[first], videos[second], class_id) for first, second, class_id in pairs]
    reactions = reactions_to(recognizers, cuts, progress)
    info = probe(videos[0])
    costs = costs_of(recognizers, (info.height, info.width))
    models = [shown.agreement(index, summarise(reactions[index]), costs[index]) for index in range(len(recognizers))]
    return AgreementReport(names[reference], seconds, tuple(shown.settled), len(cuts), tuple(models))


class _Shown:
    """What all models said of the videos that were shown."""

    def __init__(self, names: Sequence[str], recognizers: Sequence[Recognizer], reference: int, seconds: float) -> None:
        self.settled: List[SettledLabel] = []
        self._names = names
        self._recognizers = recognizers
        self._reference = reference
        self._lead_sec = lead_seconds(recognizers)
        self._seconds = seconds
        self._tracks: List[List[Track]] = []  # by video, by model

    def add(self, video: Path) -> None:
        """Show one more."""
        viewers = [Viewer(recognizer) for recognizer in self._recognizers]
        tracks = follow(viewers, played(video, self._lead_sec + self._seconds))
        for name, track in zip(self._names, tracks):
            if len(self._compared(track).labels) == 0:
                raise DataError(
                    f"{name} has no label in {self._lead_sec + self._seconds:.1f} s of {video}: gaps between frames "
                    "reset the model; leave the video out"
                )
        self._tracks.append(tracks)
        labels = self._compared(tracks[self._reference]).labels
        counts = np.bincount(labels)
        class_id, share = int(counts.argmax()), float(counts.max() / len(labels))
        if share > SETTLED_SHARE:
            name = self._recognizers[self._reference].labels[class_id]
            self.settled.append(SettledLabel(str(video), class_id, name, share))
        else:
            self.settled.append(SettledLabel(str(video), None, None, share))

    def agreement(self, index: int, reactions: Reactions, cost: Cost) -> ModelAgreement:
        """The figures of one model."""
        spec = self._recognizers[index].spec
        tracks = [tracks[index] for tracks in self._tracks]
        sure = [
            (self._compared(track), label.class_id)
            for track, label in zip(tracks, self.settled)
            if label.class_id is not None
        ]
        scores = [steadiness(track, class_id).probability for track, class_id in sure]
        return ModelAgreement(
            model=self._names[index],
            spec=spec,
            same_stamp=self._share(tracks, 0.0),
            same_moment=self._share(tracks, spec.delay_sec),
            probability=float(np.mean(scores)) if scores else None,
            first_label_sec=float(np.median([track.stamps_ns[0] for track in tracks])) / NANOSECONDS,
            reactions=reactions,
            cost=cost,
        )

    def _share(self, tracks: Sequence[Track], delay_sec: float) -> float:
        """Of all predictions that have the label of the clip network's `delay_sec` before."""
        same: List[np.ndarray] = []
        for track, others in zip(tracks, self._tracks):
            compared, reference = self._compared(track), others[self._reference]
            moments = compared.stamps_ns - round(delay_sec * NANOSECONDS)
            same.append(compared.labels == reference.labels[_nearest(reference.stamps_ns, moments)])
        return float(np.concatenate(same).mean())

    def _compared(self, track: Track) -> Track:
        return track.since(round(self._lead_sec * NANOSECONDS))


class _Progress:
    """Counts what is done."""

    def __init__(self, total: int, on_done: Optional[OnDone]) -> None:
        self._done, self._total, self._on_done = 0, total, on_done

    def __call__(self) -> None:
        self._done += 1
        if self._on_done is not None:
            self._on_done(self._done, self._total)


def _reference(names: Sequence[str], recognizers: Sequence[Recognizer]) -> int:
    """Index of the first clip network."""
    clips = [index for index, recognizer in enumerate(recognizers) if not recognizer.spec.is_continual]
    if not clips:
        raise ConfigError(
            f"none of {', '.join(names)} is a clip network (X3D), with which the others are compared; make one of the "
            "weights that they come from: opendr-har export x3d_s.pyth x3d_s.onnx --network x3d --size s"
        )
    return clips[0]


def _check_classes(names: Sequence[str], recognizers: Sequence[Recognizer]) -> None:
    for name, recognizer in zip(names, recognizers):
        if recognizer.labels != recognizers[0].labels:
            raise ConfigError(
                f"{names[0]} and {name} have different classes ({len(recognizers[0].labels)} and "
                f"{len(recognizer.labels)}), so that their labels can't be compared; give models of the same classes"
            )


def _nearest(sorted_stamps: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Indices of the nearest of the sorted stamps, of which there are one or more."""
    middles = (sorted_stamps[1:] + sorted_stamps[:-1]) // 2
    nearest: np.ndarray = np.searchsorted(middles, stamps)
    return nearest
