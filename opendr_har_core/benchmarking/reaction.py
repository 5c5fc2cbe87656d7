"""How soon and how well models name what happens, given the label that is right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.benchmarking.footage import Track, Viewer, lead_seconds, show, spliced
from opendr_har_core.media.video import Source
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import Recognizer

STABLE_NS = NANOSECONDS
# Seconds of the second video beyond those that the slowest model needs for its first label.
PATIENCE_SEC = 2.0
# Splices fall at this many different times between two sampled frames.
PHASES = 10


@dataclass(frozen=True)
class Splice:
    """Two videos, one after the other; `class_id` is the label of the second."""

    first: Source
    second: Source
    class_id: int


@dataclass(frozen=True)
class Reaction:
    """What a model made of one splice.

    Attributes:
        first_sec: from the splice, the first frame of the second video, until the first prediction whose best label is
            the second video's; None where none came.
        stable_sec: until the first prediction from which on that label stays the best one for a second; None where it
            never does.
    """

    first_sec: Optional[float]
    stable_sec: Optional[float]


@dataclass(frozen=True)
class Reactions:
    """All splices of one model.

    Attributes:
        splices: number of splices that there was something to react to.
        named: number of them after which the new label came.
        median_sec, stable_median_sec: over all splices, a label that never came counting as infinitely late; None where
            the median is infinite, or without splices.
        slowest_sec: of those that were named; None where none was.
    """

    splices: int
    named: int
    median_sec: Optional[float]
    slowest_sec: Optional[float]
    stable_median_sec: Optional[float]


@dataclass(frozen=True)
class Steadiness:
    """Predictions of one model on one video that shows one action.

    Attributes:
        right: whether the mean of all scores is best for that action.
        probability: mean score of that action.
        frame_wise: share of the predictions whose best label is that action.
    """

    right: bool
    probability: float
    frame_wise: float


def splice_pairs(class_ids: Sequence[Optional[int]]) -> Iterator[Tuple[int, int, int]]:
    """Indices of two videos to splice and the second's class: each video with the next, then with the next but one, ...

    Videos without a class, and pairs of one class, are left out.
    """
    count = len(class_ids)
    for step in range(1, count):
        for first in range(count):
            second = (first + step) % count
            class_id = class_ids[second]
            if class_id is not None and class_ids[first] not in (None, class_id):
                yield first, second, class_id


def reactions_to(
    recognizers: Sequence[Recognizer], splices: Sequence[Splice], on_done: Optional[Callable[[], None]] = None
) -> List[List[Optional[Reaction]]]:
    """Show splices to all models: for each model, the reaction to each splice.

    The second video begins when all models have labels for the first, and ends when all have a stable label for the
    second, or after the longest warm-up and some seconds more. Raises VideoError.
    """
    lead_sec = lead_seconds(recognizers)
    period_sec = max(recognizer.spec.period_ns for recognizer in recognizers) / NANOSECONDS
    found: List[List[Optional[Reaction]]] = [[] for _ in recognizers]
    for index, splice in enumerate(splices):
        splice_sec = lead_sec + index % PHASES / PHASES * period_sec
        splice_ns = round(splice_sec * NANOSECONDS)
        viewers = [Viewer.ready_at(recognizer, splice_ns) for recognizer in recognizers]
        waiting = viewers
        for frame in spliced(splice.first, splice.second, splice_sec, lead_sec + PATIENCE_SEC):
            show(waiting, frame)
            if frame.stamp_ns >= splice_ns:
                waiting = [viewer for viewer in waiting if _is_open(reaction(viewer.track, splice.class_id, splice_ns))]
            if not waiting:
                break
        for reactions, viewer in zip(found, viewers):
            reactions.append(reaction(viewer.track, splice.class_id, splice_ns))
        if on_done is not None:
            on_done()
    return found


def reaction(track: Track, class_id: int, splice_ns: int) -> Optional[Reaction]:
    """How the model of `track` reacted to a splice at `splice_ns` to a video of `class_id`.

    None where its last label before the splice was that already: it had nothing to react to.
    """
    before = track.labels[track.stamps_ns < splice_ns]
    if len(before) and before[-1] == class_id:
        return None
    after = track.since(splice_ns)
    is_named = after.labels == class_id
    first = after.stamps_ns[is_named][:1]
    stable = [start for start, end in _runs(after.stamps_ns, is_named) if end - start >= STABLE_NS][:1]
    return Reaction(_seconds(first, splice_ns), _seconds(stable, splice_ns))


def summarise(reactions: Sequence[Optional[Reaction]]) -> Reactions:
    """Of all splices; those with None do not count."""
    counted = [item for item in reactions if item is not None]
    named = [item.first_sec for item in counted if item.first_sec is not None]
    return Reactions(
        splices=len(counted),
        named=len(named),
        median_sec=_median([item.first_sec for item in counted]),
        slowest_sec=max(named, default=None),
        stable_median_sec=_median([item.stable_sec for item in counted]),
    )


def steadiness(track: Track, class_id: int) -> Steadiness:
    """Of all predictions of a track, one or more."""
    return Steadiness(
        right=bool(track.scores.mean(axis=0, dtype=np.float64).argmax() == class_id),
        probability=float(track.scores[:, class_id].mean(dtype=np.float64)),
        frame_wise=float((track.labels == class_id).mean()),
    )


def _is_open(found: Optional[Reaction]) -> bool:
    """Whether more predictions may change a reaction."""
    return found is not None and found.stable_sec is None


def _runs(stamps_ns: np.ndarray, is_named: np.ndarray) -> Iterator[Tuple[int, int]]:
    """Of every run of named predictions the first stamp, and that of the prediction that ends it, or the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_named, [False]]).astype(np.int8)))
    for start, end in zip(edges[::2], edges[1::2]):
        yield int(stamps_ns[start]), int(stamps_ns[min(end, len(stamps_ns) - 1)])


def _seconds(stamps_ns: Sequence[int], since_ns: int) -> Optional[float]:
    return (int(stamps_ns[0]) - since_ns) / NANOSECONDS if len(stamps_ns) else None


def _median(seconds: Sequence[Optional[float]]) -> Optional[float]:
    if not seconds:
        return None
    median = float(np.median([math.inf if value is None else value for value in seconds]))
    return median if math.isfinite(median) else None
