"""Videos as a camera would deliver them: looped, spliced, and seen by several models at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain, takewhile
from typing import Iterable, Iterator, List, Sequence

import numpy as np

from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.media.video import Source, loop_frames
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.streaming.recognizer import MIN_FRAMES, Recognizer


def played(video: Source, seconds: float) -> Iterator[Frame]:
    """The frames of a file, looped, for `seconds`; stamps begin at 0. Raises VideoError."""
    end = round(seconds * NANOSECONDS)
    return takewhile(lambda frame: frame.stamp_ns < end, loop_frames(video))


def spliced(first: Source, second: Source, splice_sec: float, seconds: float) -> Iterator[Frame]:
    """`first`, looped, and from `splice_sec` on `second` for `seconds`: a camera before which the action changes."""
    splice = round(splice_sec * NANOSECONDS)
    after = (Frame(frame.rgb, frame.stamp_ns + splice) for frame in played(second, seconds))
    return chain(played(first, splice_sec), after)


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
        """Those from `start_ns` on."""
        kept = self.stamps_ns >= start_ns
        return Track(self.stamps_ns[kept], self.scores[kept])


class Viewer:
    """One model that watches a camera from some moment on."""

    def __init__(self, recognizer: Recognizer, start_ns: int = 0, min_frames: int = MIN_FRAMES) -> None:
        """Frames before `start_ns` are not shown to it; for `min_frames` see `Recognizer.stream`."""
        self.recognizer = recognizer
        self._start_ns = start_ns
        self._stream = recognizer.stream(top_k=1, min_frames=min_frames)
        self._predictions: List[Prediction] = []

    @classmethod
    def ready_at(cls, recognizer: Recognizer, moment_ns: int) -> Viewer:
        """One that begins as late as a full window of real frames at `moment_ns` allows."""
        return cls(recognizer, moment_ns - round(lead_seconds([recognizer]) * NANOSECONDS))

    def push(self, frame: LazyFrame) -> None:
        """Show it a frame."""
        if frame.stamp_ns >= self._start_ns:
            prediction = self._stream.push(frame)
            if prediction is not None:
                self._predictions.append(prediction)

    @property
    def track(self) -> Track:
        """What it said so far."""
        scores = np.zeros((len(self._predictions), self.recognizer.spec.num_classes), np.float32)
        for row, prediction in zip(scores, self._predictions):
            row[:] = prediction.scores
        return Track(np.array([prediction.stamp_ns for prediction in self._predictions], np.int64), scores)


def lead_seconds(recognizers: Sequence[Recognizer]) -> float:
    """Seconds of video after which the predictions of all the models rest on a full window of real frames."""
    return max((recognizer.spec.warm_up + 1) * recognizer.spec.period_ns for recognizer in recognizers) / NANOSECONDS


def show(viewers: Sequence[Viewer], frame: Frame) -> None:
    """Show a frame to all.

    Every network gets the centre square in its own input size, so that videos of several sizes can be spliced.
    """
    squares = {side: square(frame, side) for side in {viewer.recognizer.spec.image_size for viewer in viewers}}
    for viewer in viewers:
        viewer.push(squares[viewer.recognizer.spec.image_size])


def follow(viewers: Sequence[Viewer], frames: Iterable[Frame]) -> List[Track]:
    """Show frames to all, and return what each said."""
    for frame in frames:
        show(viewers, frame)
    return [viewer.track for viewer in viewers]


def square(frame: Frame, side: int) -> LazyFrame:
    """The frame as a network of this input size sees it, made when a stream samples it."""
    return LazyFrame(frame.stamp_ns, (side, side), partial(to_network_input, frame.rgb, side))
