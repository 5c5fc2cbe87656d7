"""Plays a video file to a model and keeps what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

import cv2

from opendr_har_core.errors import DataError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import VideoInfo, play_once, probe
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.offline import mean_prediction, passes_needed, sampled_every_sec, sampled_frames
from opendr_har_core.recordings.records import Segment, Thumbnail, VideoLabels
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import ENDED, LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.streaming.stream import Stream

THUMBNAILS, THUMBNAIL_HEIGHT = 12, 216
# (frames done, of how many in all passes, or None where the file does not say)
OnFrame = Callable[[int, Optional[int]], None]
OnSample = Callable[[Prediction], None]


@dataclass(frozen=True)
class LabelVideoSettings:
    """How a video is labelled; `Recognizer.stream` and `LabelSettings` say what is what.

    Attributes:
        once: play it once, even if it is too short for a label; otherwise as often as `passes_needed` says.
    """

    sampling: str = StreamSettings.sampling
    warm_start: str = StreamSettings.warm_start
    max_gap_sec: float = StreamSettings.max_gap_sec
    min_frames: int = StreamSettings.min_frames
    filter: LabelSettings = field(default_factory=LabelSettings)
    once: bool = False


def label_video(
    recognizer: Recognizer,
    path: Path,
    settings: LabelVideoSettings,
    on_frame: Optional[OnFrame] = None,
    on_sample: Optional[OnSample] = None,
) -> VideoLabels:
    """The labels of a file, over its own time.

    The samples are those of the first pass, or of the last one if over half of the first would have no label.
    `on_sample` gets each when it comes. Raises VideoError for a file that can't be read whole, DataError if there is
    no label at all, ConfigError, BackendError.
    """
    info = probe(path)
    stream = recognizer.stream(
        settings.sampling,
        settings.max_gap_sec,
        top_k=settings.filter.top_k,
        warm_start=settings.warm_start,
        min_frames=min(settings.min_frames, sampled_frames(recognizer.spec, path, settings.sampling)),
    )
    passes = 1 if settings.once else passes_needed(recognizer.spec, path, settings.sampling)
    period_sec = sampled_every_sec(recognizer.spec, info.fps, settings.sampling)
    silent_sec = stream.status.silent_frames * period_sec
    is_short = 2 * silent_sec > (info.duration_sec or math.inf)
    play = _Play(stream, path, info, passes, on_frame)
    shown = _Shown(stream, settings.filter, on_sample)
    predictions: List[Prediction] = []
    # A file shorter than the time between two samples has none in some of its passes, so it plays on until one has. The
    # passes so far span the silent frames, which is no shorter than that time.
    while play.done < passes or (predictions and not shown.samples and play.done < 2 * passes):
        wanted = play.done >= passes - 1 and not shown.samples
        if wanted or (play.done == 0 and not is_short):
            shown.begin(play.done, play.offset_ns)
            predictions += play.shown(shown)
        else:
            predictions += play.quietly()
    if not shown.samples:
        raise _no_label(path, recognizer.spec.name, silent_sec, play.last_reset)
    whole = mean_prediction(predictions, recognizer.labels, settings.filter.top_k)
    duration_ns = play.offset_ns // play.done
    return VideoLabels(
        path=path,
        model=recognizer.spec.name,
        source=recognizer.source,
        classes=recognizer.labels.names,
        duration_sec=duration_ns / NANOSECONDS,
        silent_sec=silent_sec,
        warm_up_sec=stream.status.warm_up * period_sec,
        label_delay_sec=recognizer.spec.delay * period_sec,
        samples=tuple(shown.samples),
        segments=shown.segments(duration_ns),
        whole=whole,
        passes=play.done,
        shown_pass=shown.number,
        thumbnails=tuple(play.thumbnails),
    )


class _Play:
    """Plays the file to the stream, pass by pass, with stamps that keep rising."""

    def __init__(self, stream: Stream, path: Path, info: VideoInfo, passes: int, on_frame: Optional[OnFrame]) -> None:
        self.done = 0
        self.offset_ns = 0
        self.last_reset: Optional[str] = None
        self.thumbnails: List[Thumbnail] = []
        self._stream = stream
        self._path = path
        self._every_sec = (info.duration_sec or 60.0) / THUMBNAILS
        self._total = info.frames * passes if info.frames else None
        self._frames = 0
        self._on_frame = on_frame

    def shown(self, shown: _Shown) -> List[Prediction]:
        """One pass, for people to see as well; returns the unfiltered predictions."""
        predictions = []
        for frame in self._pass():
            prediction = self._push(frame)
            shown.push(frame, prediction)
            predictions += [prediction] if prediction else []
        return predictions

    def quietly(self) -> List[Prediction]:
        """One pass for the mean only."""
        return [prediction for prediction in map(self._push, self._pass()) if prediction]

    def _pass(self) -> Iterator[Frame]:
        self.offset_ns = yield from play_once(self._path, self.offset_ns)
        self.done += 1

    def _push(self, frame: Frame) -> Optional[Prediction]:
        if self.done == 0:
            self._keep_thumbnail(frame)
        prediction = self._stream.push(frame)
        self.last_reset = self._stream.status.reset or self.last_reset
        self._frames += 1
        if self._on_frame is not None:
            self._on_frame(self._frames, self._total)
        return prediction

    def _keep_thumbnail(self, frame: Frame) -> None:
        time_sec = frame.stamp_ns / NANOSECONDS
        if len(self.thumbnails) * self._every_sec > time_sec or len(self.thumbnails) > 4 * THUMBNAILS:
            return
        height, width = frame.size
        size = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
        self.thumbnails.append(Thumbnail(time_sec, cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)))


class _Shown:
    """The pass that is shown: its predictions, filtered, and its events; times from its beginning."""

    def __init__(self, stream: Stream, settings: LabelSettings, on_sample: Optional[OnSample]) -> None:
        self.number = 0
        self.samples: List[Prediction] = []
        self._labelling = LabelPipeline(stream, settings)
        self._events: List[LabelEvent] = []
        self._offset_ns = 0
        self._on_sample = on_sample

    def begin(self, number: int, offset_ns: int) -> None:
        """The pass of this number begins now; there was no sample before."""
        self.number, self._offset_ns = number, offset_ns

    def push(self, frame: Frame, prediction: Optional[Prediction]) -> None:
        """What came of a frame."""
        stamp_ns = frame.stamp_ns - self._offset_ns
        since_begin = None if prediction is None else replace(prediction, stamp_ns=stamp_ns)
        sample, events = self._labelling.settle(since_begin, stamp_ns)
        self._events += events
        if sample is None:
            return
        self.samples.append(sample)
        if self._on_sample is not None:
            self._on_sample(sample)

    def segments(self, end_ns: int) -> Tuple[Segment, ...]:
        """The stretches; what holds at the end ends with the video."""
        self._events += self._labelling.close(end_ns)
        return tuple(_segment(event) for event in self._events if event.kind == ENDED)


def _segment(event: LabelEvent) -> Segment:
    start, end = event.began_ns / NANOSECONDS, event.stamp_ns / NANOSECONDS
    return Segment(start, end, event.label, event.class_id, event.score, event.provisional)


def _no_label(path: Path, model: str, silent_sec: float, last_reset: Optional[str]) -> DataError:
    needs = f"{model} needs {silent_sec:.1f} s of video before its first label"
    if last_reset:
        return DataError(
            f"{path} yields no label: {needs}, and starts over before they are complete ({last_reset}); "
            "raise max_gap_sec or convert the video to a constant frame rate and size"
        )
    return DataError(
        f"{path} is too short for a label: {needs}; play it more than once (without 'once') or use warm start 'repeat'"
    )
