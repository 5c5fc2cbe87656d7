"""Agreement of models with a clip network on videos without labels, with their reaction times and costs.

A clip network sees all frames of its window together, as in training. With weights that were trained on clips, its
labels are the reference for the other models.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.benchmarking import AgreementSettings
from opendr_har_core.benchmarking.footage import (
    Reactions,
    Splice,
    Track,
    Viewer,
    follow,
    lead_seconds,
    played,
    reactions_to,
    splice_pairs,
    summarize,
)
from opendr_har_core.benchmarking.timing import camera_step, time_turns
from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import probe
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer

# The clip network settles on a label that more than this share of its predictions for a video have.
SETTLED_SHARE = 0.5
COST_SEC = 5.0
DEFAULT = AgreementSettings()

# (videos and splices done, total)
OnDone = Callable[[int, int], None]


@dataclass(frozen=True)
class SettledLabel:
    """The label that the clip network settles on for a video.

    Attributes:
        video: path of the file.
        class_id, label: the most frequent best label; None where at most half of the predictions have it.
        share: of the predictions that have the most frequent label.
    """

    video: str
    class_id: Optional[int]
    label: Optional[str]
    share: float


@dataclass(frozen=True)
class ModelAgreement:
    """One model compared with the clip network.

    Attributes:
        model: its name, as given.
        spec: its specification.
        same_stamp: share of the predictions with the same best label as the clip network's at the same stamp.
        same_moment: the same share, each prediction compared with the clip network's `spec.delay_sec` earlier, which
            is about the same moment.
        probability: mean score of the label that the clip network settles on; None where it settles on none.
        first_label_sec: from the first frame to the first prediction, which may be provisional.
        reactions: to splices, each to the label that the clip network settles on for the second video.
        step_sec: median wall time of a sampled frame of the first video's size, from the image to the prediction.
        cpu_sec: processor seconds, of all threads, for one second of such video.
    """

    model: str
    spec: ModelSpec
    same_stamp: float
    same_moment: float
    probability: Optional[float]
    first_label_sec: float
    reactions: Reactions
    step_sec: float
    cpu_sec: float


@dataclass(frozen=True)
class AgreementReport:
    """All models, including the clip network, in the order in which they were given.

    Attributes:
        reference: name of the clip network.
        seconds: of each video that were compared.
        videos: the label that the clip network settles on for each.
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
    settings: AgreementSettings = DEFAULT,
    on_done: Optional[OnDone] = None,
) -> AgreementReport:
    """Show videos, and splices of them, to models; the first X3D among them is the reference.

    Each video is looped until every model has a full window of real frames; the `seconds` after that are compared.
    Up to `splices` pairs of videos for which the clip network settles on different labels are spliced. `names` are
    the names of the models. Raises ConfigError where there is no clip network and where models have different classes;
    VideoError; DataError for a video without labels.
    """
    reference = _reference(names, recognizers)
    done = count(1)

    def progress() -> None:
        if on_done is not None:
            on_done(next(done), len(videos) + settings.splices)

    tracks: List[List[Track]] = []  # by video, by model
    for video in videos:
        tracks.append(_shown(names, recognizers, video, settings.seconds))
        progress()
    lead_ns = round(lead_seconds(recognizers) * NANOSECONDS)
    compared = [[track.since(lead_ns) for track in shown] for shown in tracks]
    labels = recognizers[reference].labels
    settled = [_settled(video, shown[reference], labels) for video, shown in zip(videos, compared)]
    pairs = islice(splice_pairs([label.class_id for label in settled]), settings.splices)
    cuts = [Splice(videos[first], videos[second], class_id) for first, second, class_id in pairs]
    reactions = reactions_to(recognizers, cuts, progress)
    clips = [shown[reference] for shown in tracks]
    info = probe(videos[0])
    costs = camera_costs(recognizers, (info.height, info.width))
    models = [
        ModelAgreement(
            model=name,
            spec=recognizer.spec,
            same_stamp=_same_share([shown[index] for shown in compared], clips, 0.0),
            same_moment=_same_share([shown[index] for shown in compared], clips, recognizer.spec.delay_sec),
            probability=_probability([shown[index] for shown in compared], settled),
            first_label_sec=float(np.median([shown[index].stamps_ns[0] for shown in tracks])) / NANOSECONDS,
            reactions=summarize(reactions[index]),
            step_sec=costs[index][0],
            cpu_sec=costs[index][1],
        )
        for index, (name, recognizer) in enumerate(zip(names, recognizers))
    ]
    return AgreementReport(names[reference], settings.seconds, tuple(settled), len(cuts), tuple(models))


def _reference(names: Sequence[str], recognizers: Sequence[Recognizer]) -> int:
    """Index of the first clip network."""
    for name, recognizer in zip(names, recognizers):
        if recognizer.labels != recognizers[0].labels:
            raise ConfigError(
                f"{names[0]} and {name} have different classes ({len(recognizers[0].labels)} and "
                f"{len(recognizer.labels)}), so their labels can't be compared; give models with the same classes"
            )
    for index, recognizer in enumerate(recognizers):
        if not recognizer.spec.is_continual:
            return index
    raise ConfigError(
        f"none of {', '.join(names)} is a clip network (X3D), which is the reference for the others; export one from "
        "the weights of the others: opendr-har export x3d_s.pyth --output x3d_s.onnx --network x3d --size s"
    )


def _shown(names: Sequence[str], recognizers: Sequence[Recognizer], video: Path, seconds: float) -> List[Track]:
    """The predictions of each model for one video."""
    lead_sec = lead_seconds(recognizers)
    tracks = follow([Viewer(recognizer) for recognizer in recognizers], played(video, lead_sec + seconds))
    for name, track in zip(names, tracks):
        if len(track.since(round(lead_sec * NANOSECONDS)).labels) == 0:
            raise DataError(
                f"{name} has no label in {lead_sec + seconds:.1f} s of {video}: gaps between frames reset the model; "
                "leave the video out"
            )
    return tracks


def _settled(video: Path, track: Track, labels: LabelMap) -> SettledLabel:
    counts = np.bincount(track.labels)
    class_id, share = int(counts.argmax()), float(counts.max() / len(track.labels))
    if share > SETTLED_SHARE:
        return SettledLabel(str(video), class_id, labels[class_id], share)
    return SettledLabel(str(video), None, None, share)


def _same_share(tracks: Sequence[Track], references: Sequence[Track], delay_sec: float) -> float:
    """Share of the predictions with the same label as the reference's nearest one, `delay_sec` earlier."""
    same: List[np.ndarray] = []
    for track, reference in zip(tracks, references):
        moments = track.stamps_ns - round(delay_sec * NANOSECONDS)
        middles = (reference.stamps_ns[1:] + reference.stamps_ns[:-1]) // 2
        same.append(track.labels == reference.labels[np.searchsorted(middles, moments)])
    return float(np.concatenate(same).mean())


def _probability(tracks: Sequence[Track], settled: Sequence[SettledLabel]) -> Optional[float]:
    scores = [
        track.scores[:, label.class_id].mean(dtype=np.float64)
        for track, label in zip(tracks, settled)
        if label.class_id is not None
    ]
    return float(np.mean(scores)) if scores else None


def camera_costs(recognizers: Sequence[Recognizer], size: Tuple[int, int]) -> List[Tuple[float, float]]:
    """(wall seconds of a step, processor seconds for a second of video) of each, on a camera of (height, width) pixels.

    The models take turns.
    """
    timings = time_turns([camera_step(recognizer, size) for recognizer in recognizers], COST_SEC)
    return [
        (timing.median_sec, timing.cpu_sec * NANOSECONDS / recognizer.spec.period_ns)
        for timing, recognizer in zip(timings, recognizers)
    ]
