"""Reaction time: seconds from a change of action in a video to the first label that names it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.benchmarking.footage import Track, Viewer, lead_seconds, show, spliced
from opendr_har_core.media.video import VideoSource
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

    first: VideoSource
    second: VideoSource
    class_id: int


@dataclass(frozen=True)
class Reaction:
    """Reaction of one model to one splice.

    Attributes:
        first_sec: from the first frame of the second video to the first prediction with its label; None where none
            came.
        stable_sec: until the first prediction from which on that label stays the best one for a second; None where it
            never does.
    """

    first_sec: Optional[float]
    stable_sec: Optional[float]


@dataclass(frozen=True)
class Reactions:
    """Reactions of one model to all splices.

    Attributes:
        splices: number of splices, without those before which the model already had the new label.
        named: number of them after which the new label came.
        median_sec, stable_median_sec: over all splices, where a label that never came counts as infinitely late; None
            where the median is infinite, or without splices.
        slowest_sec: over the named splices; None without any.
    """

    splices: int
    named: int
    median_sec: Optional[float]
    slowest_sec: Optional[float]
    stable_median_sec: Optional[float]


def splice_pairs(class_ids: Sequence[Optional[int]]) -> Iterator[Tuple[int, int, int]]:
    """(first, second, class of the second): each video with the next one, then with the next but one, ...

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

    The second video starts when all models have a full window of the first one. It ends when all models have a stable
    label for it, or some seconds after the longest warm-up. Raises VideoError.
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
    """Reaction of the model of `track` to a splice at `splice_ns` to a video of `class_id`.

    None where its last label before the splice already was that one.
    """
    before = track.labels[track.stamps_ns < splice_ns]
    if len(before) and before[-1] == class_id:
        return None
    after = track.since(splice_ns)
    is_named = after.labels == class_id
    stable = [start for start, end in _runs(after.stamps_ns, is_named) if end - start >= STABLE_NS]
    return Reaction(_seconds(after.stamps_ns[is_named], splice_ns), _seconds(stable, splice_ns))


def summarize(reactions: Sequence[Optional[Reaction]]) -> Reactions:
    """Summary over splices; those with None do not count."""
    counted = [item for item in reactions if item is not None]
    named = [item.first_sec for item in counted if item.first_sec is not None]
    return Reactions(
        splices=len(counted),
        named=len(named),
        median_sec=_median([item.first_sec for item in counted]),
        slowest_sec=max(named, default=None),
        stable_median_sec=_median([item.stable_sec for item in counted]),
    )


def _is_open(found: Optional[Reaction]) -> bool:
    """Whether more predictions may change a reaction."""
    return found is not None and found.stable_sec is None


def _runs(stamps_ns: np.ndarray, is_named: np.ndarray) -> Iterator[Tuple[int, int]]:
    """For each run of named predictions, its first stamp and that of the prediction that ends it, or of the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_named, [False]]).astype(np.int8)))
    for start, end in zip(edges[::2], edges[1::2]):
        yield int(stamps_ns[start]), int(stamps_ns[min(end, len(stamps_ns) - 1)])


def _seconds(stamps_ns: Sequence[int], since_ns: int) -> Optional[float]:
    """Seconds from `since_ns` to the first of the stamps."""
    return (int(stamps_ns[0]) - since_ns) / NANOSECONDS if len(stamps_ns) else None


def _median(seconds: Sequence[Optional[float]]) -> Optional[float]:
    if not seconds:
        return None
    median = float(np.median([math.inf if value is None else value for value in seconds]))
    return median if math.isfinite(median) else None
