"""Labels of a video file or webcam recording, over its own time."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Callable, Iterator, List, Optional

import cv2

from opendr_har_core.errors import DataError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import OpenVideo, VideoInfo, VideoSource, is_camera, open_video, shift
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.annotated_copy import AnnotatedCopy
from opendr_har_core.recordings.labelled import label_frames, mean_prediction
from opendr_har_core.recordings.video_labels import Segment, Thumbnail, VideoLabels
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.events import ENDED, LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import EVERY_FRAME, STAMPS, LabelSettings, StreamSettings

THUMBNAILS, THUMBNAIL_HEIGHT = 12, 216
# (frames done, frames in all passes; None if unknown)
OnFrame = Callable[[int, Optional[int]], None]
OnSample = Callable[[Prediction], None]
DEFAULT_STREAM, DEFAULT_LABELS = StreamSettings(), LabelSettings()


def label_video(
    recognizer: Recognizer,
    source: VideoSource,
    stream: StreamSettings = DEFAULT_STREAM,
    labels: LabelSettings = DEFAULT_LABELS,
    once: bool = False,
    on_frame: Optional[OnFrame] = None,
    on_sample: Optional[OnSample] = None,
    copy: Optional[AnnotatedCopy] = None,
) -> VideoLabels:
    """Label a file in one pass; one whose second half would have no label is played again, and its last pass is shown.

    `once` plays a file once even if it is too short for a label. A webcam ends with Ctrl-C. `on_sample` gets each shown
    prediction when it comes, `copy` each frame of the pass that is shown. Raises VideoError for a file that can't be
    read whole, DataError without a label, ConfigError, BackendError.
    """
    return _VideoJob(recognizer, source, stream, labels, once, on_frame, on_sample, copy).run()


def passes_needed(spec: ModelSpec, info: VideoInfo, sampling: str = STAMPS) -> int:
    """How often to play a video so that its last pass is labelled from the beginning; 1 if its length is unknown."""
    if info.length_sec is None:
        return 1
    silent_sec = spec.silent_frames * _sampled_every_sec(spec, info, sampling)
    return 1 + math.ceil(round(silent_sec / info.length_sec, 6))  # 3 * 0.4 / 0.1 is slightly more than 12


def reachable_min_frames(
    spec: ModelSpec, info: VideoInfo, min_frames: int = StreamSettings.min_frames, sampling: str = STAMPS
) -> int:
    """`min_frames`, or fewer for a video that has fewer sampled frames."""
    if info.length_sec is None:
        return min_frames
    last_sec = info.length_sec - 1 / info.fps
    samples = 1 + max(0, math.floor(round(last_sec / _sampled_every_sec(spec, info, sampling), 6)))
    return min(min_frames, samples)


def _sampled_every_sec(spec: ModelSpec, info: VideoInfo, sampling: str) -> float:
    """Seconds between the frames that a model samples; it can't sample more frames than there are."""
    return 1 / info.fps if sampling == EVERY_FRAME else max(1 / info.fps, spec.period_ns / NANOSECONDS)


class _VideoJob:
    """One video through one model, pass by pass, with stamps that keep rising."""

    def __init__(
        self,
        recognizer: Recognizer,
        source: VideoSource,
        stream: StreamSettings,
        labels: LabelSettings,
        once: bool,
        on_frame: Optional[OnFrame],
        on_sample: Optional[OnSample],
        copy: Optional[AnnotatedCopy],
    ) -> None:
        self._recognizer, self._source = recognizer, source
        self._stream_settings, self._label_settings, self._once = stream, labels, once
        self._on_frame, self._on_sample, self._copy = on_frame, on_sample, copy
        self._passes = self._shown_pass = self._frames = 0
        self._end_ns = 0
        self._last_reset: Optional[str] = None
        self._predictions: List[Prediction] = []
        self._samples: List[Prediction] = []
        self._events: List[LabelEvent] = []
        self._thumbnails: List[Thumbnail] = []

    def run(self) -> VideoLabels:
        with open_video(self._source) as video:
            self._prepare(video.info)
            self._play(video)
        if video.info.length_sec is None and not self._samples and not self._once:
            info = replace(video.info, duration_sec=self._length_ns / NANOSECONDS)
            self._planned = passes_needed(self._recognizer.spec, info, self._stream_settings.sampling)
        # A file shorter than the time between two samples has none in some of its passes.
        while self._passes < self._planned or (
            not self._samples and self._predictions and not self._once and self._passes < 2 * self._planned
        ):
            with open_video(self._source) as video:
                self._play(video)
        if not self._samples:
            raise self._no_label()
        return self._labels()

    def _prepare(self, info: VideoInfo) -> None:
        spec, settings = self._recognizer.spec, self._stream_settings
        min_frames = reachable_min_frames(spec, info, settings.min_frames, settings.sampling)
        stream = self._recognizer.stream(**{**asdict(settings), "min_frames": min_frames}, top_k=1)
        self._pipeline = LabelPipeline(stream, self._label_settings)
        self._info = info
        self._period_sec = _sampled_every_sec(spec, info, settings.sampling)
        self._silent_sec = stream.status.silent_frames * self._period_sec
        is_short = 2 * self._silent_sec > (info.length_sec or math.inf)
        self._planned = passes_needed(spec, info, settings.sampling) if is_short and not self._once else 1

    def _play(self, video: OpenVideo) -> None:
        if self._passes >= self._planned - 1:
            self._show(video)
        else:
            stream = self._pipeline.stream
            self._predictions += [shown for shown in map(stream.push, self._counted(video)) if shown]
        self._passes += 1

    def _show(self, video: OpenVideo) -> None:
        """One pass whose labels are those of the video; its times begin at 0."""
        start_ns, self._shown_pass = self._end_ns, self._passes
        if self._copy is not None:
            self._copy.start(video.info)
        latest: Optional[Prediction] = None
        with suppress(*([KeyboardInterrupt] if is_camera(self._source) else [])):
            for item in label_frames(self._pipeline, self._counted(video)):
                self._last_reset = self._pipeline.stream.status.reset or self._last_reset
                self._predictions += [item.prediction] if item.prediction else []
                self._events += [_shifted(event, -start_ns) for event in item.events]
                stamp_ns = item.frame.stamp_ns - start_ns
                if item.shown is not None:
                    latest = replace(item.shown, stamp_ns=stamp_ns)
                    self._samples.append(latest)
                    if self._on_sample is not None:
                        self._on_sample(latest)
                if self._copy is not None:
                    self._copy.write(Frame(item.frame.rgb, stamp_ns), latest)
        self._length_ns = self._end_ns - start_ns
        self._events += [_shifted(event, -start_ns) for event in self._pipeline.close(self._end_ns)]

    def _counted(self, video: OpenVideo) -> Iterator[Frame]:
        total = self._info.frames * self._planned if self._info.frames else None
        frames = shift(video, self._end_ns)
        while True:
            try:
                frame = next(frames)
            except StopIteration as end:
                self._end_ns = end.value
                return
            self._end_ns = frame.stamp_ns + round(NANOSECONDS / video.info.fps)  # also where Ctrl-C ends a webcam
            if self._passes == 0:
                self._keep_thumbnail(frame)
            yield frame
            self._frames += 1
            if self._on_frame is not None:
                self._on_frame(self._frames, total)

    def _keep_thumbnail(self, frame: Frame) -> None:
        time_sec = frame.stamp_ns / NANOSECONDS
        every_sec = (self._info.length_sec or 60.0) / THUMBNAILS
        if len(self._thumbnails) * every_sec > time_sec or len(self._thumbnails) > 4 * THUMBNAILS:
            return
        height, width = frame.size
        size = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
        self._thumbnails.append(Thumbnail(time_sec, cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)))

    def _labels(self) -> VideoLabels:
        recognizer = self._recognizer
        return VideoLabels(
            path=Path(self._source),
            model=recognizer.spec.name,
            source=recognizer.source,
            classes=recognizer.labels.names,
            duration_sec=self._length_ns / NANOSECONDS,
            silent_sec=self._silent_sec,
            warm_up_sec=recognizer.spec.warm_up * self._period_sec,
            label_delay_sec=recognizer.spec.delay * self._period_sec,
            samples=tuple(self._samples),
            segments=tuple(_segment(event) for event in self._events if event.kind == ENDED),
            whole=mean_prediction(self._predictions, recognizer.labels, self._label_settings.top_k),
            passes=self._passes,
            shown_pass=self._shown_pass,
            thumbnails=tuple(self._thumbnails),
        )

    def _no_label(self) -> DataError:
        needs = f"{self._recognizer.spec.name} needs {self._silent_sec:.1f} s of video before its first label"
        if self._last_reset:
            return DataError(
                f"{self._source} yields no label: {needs}, and starts over before that ({self._last_reset}); "
                "raise max_gap_sec or convert the video to a constant frame rate and size"
            )
        return DataError(
            f"{self._source} is too short for a label: {needs}; leave out 'once' or use warm start 'repeat'"
        )


def _shifted(event: LabelEvent, offset_ns: int) -> LabelEvent:
    return replace(event, stamp_ns=event.stamp_ns + offset_ns, began_ns=event.began_ns + offset_ns)


def _segment(event: LabelEvent) -> Segment:
    start, end = event.began_ns / NANOSECONDS, event.stamp_ns / NANOSECONDS
    return Segment(start, end, event.label, event.class_id, event.score, event.provisional)
