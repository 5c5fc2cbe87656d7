"""Videos as a camera delivers them, looped or spliced, shown to several models at once."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice, takewhile
from typing import Iterable, Iterator, List, Sequence, Tuple

import numpy as np

from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.media.video import VideoSource, loop_frames
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import StreamSettings

FPS = 30
ROUNDS, ROUND_SEC = 5, 2


@dataclass(frozen=True)
class Cost:
    """Cost of one model on one camera.

    Attributes:
        step_sec: median wall time of a sampled frame, from the image to the prediction.
        cpu_sec: processor seconds, of all threads, for one second of a 30 Hz camera.
        stream_bytes: memory that a stream keeps between frames, as NumPy reports it.
    """

    step_sec: float
    cpu_sec: float
    stream_bytes: int


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

    def __init__(self, recognizer: Recognizer, start_ns: int = 0, min_frames: int = StreamSettings.min_frames) -> None:
        """Ignore frames before `start_ns`; for `min_frames` see `Recognizer.stream`."""
        self.recognizer = recognizer
        self._start_ns = start_ns
        self._stream = recognizer.stream(top_k=1, min_frames=min_frames)
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
        scores = np.zeros((len(self._predictions), self.recognizer.spec.num_classes), np.float32)
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
    squares = {side: _square(frame, side) for side in {viewer.recognizer.spec.image_size for viewer in viewers}}
    for viewer in viewers:
        viewer.push(squares[viewer.recognizer.spec.image_size])


def follow(viewers: Sequence[Viewer], frames: Iterable[Frame]) -> List[Track]:
    """Show frames to all viewers and return the predictions of each."""
    for frame in frames:
        show(viewers, frame)
    return [viewer.track for viewer in viewers]


def camera_costs(recognizers: Sequence[Recognizer], size: Tuple[int, int], rounds: int = ROUNDS) -> List[Cost]:
    """Cost of each model on a camera of (height, width) pixels; the models take turns, so other load affects all."""
    held = [_stream_bytes(recognizer) for recognizer in recognizers]
    cameras = [_CostMeter(recognizer, size) for recognizer in recognizers]
    for _ in range(rounds):
        for camera in cameras:
            camera.round()
    return [
        Cost(statistics.median(camera.step_sec), statistics.median(camera.cpu_sec), kept)
        for camera, kept in zip(cameras, held)
    ]


class _CostMeter:
    """One model on a stream of noise, which takes as long as a picture does."""

    def __init__(self, recognizer: Recognizer, size: Tuple[int, int]) -> None:
        self.step_sec: List[float] = []
        self.cpu_sec: List[float] = []
        self._side = recognizer.spec.image_size
        self._stream = recognizer.stream()
        self._frames = _noise(size)
        filled = recognizer.spec.window * recognizer.spec.period_ns / NANOSECONDS
        for frame in self._next(filled + 1):  # a clip network computes nothing until its window is full
            self._stream.push(_square(frame, self._side))

    def round(self) -> None:
        cpu = 0.0
        for frame in self._next(ROUND_SEC):
            began, began_cpu = time.perf_counter(), time.process_time()
            self._stream.push(_square(frame, self._side))
            cpu += time.process_time() - began_cpu
            if self._stream.status.sampled:
                self.step_sec.append(time.perf_counter() - began)
        self.cpu_sec.append(cpu / ROUND_SEC)

    def _next(self, seconds: float) -> List[Frame]:
        return list(islice(self._frames, round(seconds * FPS)))


def _noise(size: Tuple[int, int]) -> Iterator[Frame]:
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return (Frame(rgb, index * NANOSECONDS // FPS) for index in count())


def _stream_bytes(recognizer: Recognizer) -> int:
    """Memory that the first step of a new stream allocates and keeps."""
    side = recognizer.spec.image_size
    frame = _square(next(_noise((side, side))), side)
    recognizer.stream().push(frame)  # the first step of all also allocates what belongs to the model
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        stream = recognizer.stream()
        stream.push(frame)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def _square(frame: Frame, side: int) -> LazyFrame:
    """The frame as a network of this input size sees it, computed when a stream samples it."""
    return LazyFrame(frame.stamp_ns, (side, side), partial(to_network_input, frame.rgb, side))
