"""Videos as a camera delivers them, shown to several models, and the models' reactions to a change of action."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import chain, takewhile
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.media.video import VideoSource, loop_frames
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.streaming.recognizer import Recognizer

STABLE_NS = NANOSECONDS
# Seconds of the second video beyond those that the slowest model needs for its first label.
PATIENCE_SEC = 2.0
# Splices fall at this many different times between two sampled frames.
PHASES = 10


@dataclass(frozen=True)
class Track:
    """The predictions of one model, oldest first.

    Attributes:
        stamps_ns: int64 (n,), when each was published.
        scores: float32 (n, num_classes).
    """

    stamps_ns: np.ndarray
    scores: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Class id of the best score, int64 (n,)."""
        labels: np.ndarray = self.scores.argmax(axis=1)
        return labels

    def since(self, start_ns: int) -> Track:
        """The predictions from `start_ns` on."""
        kept = self.stamps_ns >= start_ns
        return Track(self.stamps_ns[kept], self.scores[kept])


class Viewer:
    """One model that watches a camera from some moment on."""

    def __init__(self, recognizer: Recognizer, start_ns: int = 0) -> None:
        """Ignore frames before `start_ns`."""
        self.recognizer = recognizer
        self._start_ns = start_ns
        self._stream = recognizer.stream(top_k=1)
        self._predictions: List[Prediction] = []

    @classmethod
    def ready_at(cls, recognizer: Recognizer, moment_ns: int) -> Viewer:
        """A viewer that starts as late as a full window of real frames at `moment_ns` allows."""
        return cls(recognizer, moment_ns - round(lead_seconds([recognizer]) * NANOSECONDS))

    def push(self, frame: LazyFrame) -> None:
        """Show a frame to the model."""
        if frame.stamp_ns >= self._start_ns:
            prediction = self._stream.push(frame)
            if prediction is not None:
                self._predictions.append(prediction)

    @property
    def track(self) -> Track:
        """The predictions so far."""
        scores = np.zeros((len(self._predictions), len(self.recognizer.labels)), np.float32)
        for row, prediction in zip(scores, self._predictions):
            row[:] = prediction.scores
        return Track(np.array([prediction.stamp_ns for prediction in self._predictions], np.int64), scores)


def played(video: VideoSource, seconds: float) -> Iterator[Frame]:
    """The frames of a file, looped, for `seconds`; stamps start at 0. Raises VideoError."""
    end = round(seconds * NANOSECONDS)
    return takewhile(lambda frame: frame.stamp_ns < end, loop_frames(video))


def spliced(first: VideoSource, second: VideoSource, splice_sec: float, seconds: float) -> Iterator[Frame]:
    """`first`, looped, until `splice_sec`, then `second` for `seconds`: a camera that sees the action change."""
    splice = round(splice_sec * NANOSECONDS)
    after = (Frame(frame.rgb, frame.stamp_ns + splice) for frame in played(second, seconds))
    return chain(played(first, splice_sec), after)


def lead_seconds(recognizers: Sequence[Recognizer]) -> float:
    """Seconds of video after which all models have a full window of real frames."""
    return max((recognizer.spec.warm_up + 1) * recognizer.spec.period_ns for recognizer in recognizers) / NANOSECONDS


def show(viewers: Sequence[Viewer], frame: Frame) -> None:
    """Show a frame to all viewers.

    Every network gets the centre square in its own input size, so videos of different sizes can be spliced.
    """
    squares = {side: square(frame, side) for side in {viewer.recognizer.spec.image_size for viewer in viewers}}
    for viewer in viewers:
        viewer.push(squares[viewer.recognizer.spec.image_size])


def follow(viewers: Sequence[Viewer], frames: Iterable[Frame]) -> List[Track]:
    """Show frames to all viewers and return the predictions of each."""
    for frame in frames:
        show(viewers, frame)
    return [viewer.track for viewer in viewers]


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
                latest = [(viewer, reaction(viewer.track, splice.class_id, splice_ns)) for viewer in waiting]
                waiting = [viewer for viewer, state in latest if state is not None and state.stable_sec is None]
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
    stable = _stable_ns(after.stamps_ns, is_named)
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


def _stable_ns(stamps_ns: np.ndarray, is_named: np.ndarray) -> List[int]:
    """The first stamp of the first run of named predictions that lasts for a second, if there is one."""
    start: Optional[int] = None
    for stamp_ns, named in zip(stamps_ns.tolist(), is_named):
        if start is not None and stamp_ns - start >= STABLE_NS:
            return [start]
        start = (stamp_ns if start is None else start) if named else None
    return []


def _seconds(stamps_ns: Sequence[int], since_ns: int) -> Optional[float]:
    """Seconds from `since_ns` to the first of the stamps."""
    return (int(stamps_ns[0]) - since_ns) / NANOSECONDS if len(stamps_ns) else None


def _median(seconds: Sequence[Optional[float]]) -> Optional[float]:
    if not seconds:
        return None
    median = float(np.median([math.inf if value is None else value for value in seconds]))
    return median if math.isfinite(median) else None


def square(frame: Frame, side: int) -> LazyFrame:
    """The frame as a network of this input size sees it, computed when a stream samples it."""
    return LazyFrame(frame.stamp_ns, (side, side), partial(to_network_input, frame.rgb, side))
