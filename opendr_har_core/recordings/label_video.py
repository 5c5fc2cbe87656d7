"""Labels of a video file or webcam recording over its own time, and a copy with the labels drawn into it."""

from __future__ import annotations

import math
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Callable, Iterator, List, Optional

import cv2
import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.frame import Frame
from opendr_har_core.media.annotate import annotate
from opendr_har_core.media.video import (
    VideoInfo,
    VideoSource,
    VideoWriter,
    best_codec,
    is_camera,
    open_video,
    shift,
    video_writer,
)
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.video_labels import Segment, Thumbnail, VideoLabels
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.events import ENDED, LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline, label_frames, mean_prediction
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import EVERY_FRAME, REPEAT, STAMPS, LabelSettings, StreamSettings

THUMBNAILS, THUMBNAIL_HEIGHT = 12, 216
# (frames done, frames in all; None if unknown)
OnFrame = Callable[[int, Optional[int]], None]
OnSample = Callable[[Prediction], None]
DEFAULT_STREAM, DEFAULT_LABELS = StreamSettings(), LabelSettings()


def label_video(
    recognizer: Recognizer,
    source: VideoSource,
    stream: StreamSettings = DEFAULT_STREAM,
    labels: LabelSettings = DEFAULT_LABELS,
    on_frame: Optional[OnFrame] = None,
    on_sample: Optional[OnSample] = None,
    copy: Optional[AnnotatedCopy] = None,
) -> VideoLabels:
    """Label a file from beginning to end, or a webcam until Ctrl-C.

    A file that is too short for a label gets provisional ones, as with warm start "repeat". `on_sample` gets each shown
    prediction when it comes, `copy` each frame. Raises VideoError for a file that can't be read whole, DataError
    without a label, ConfigError, BackendError.
    """
    predictions: List[Prediction] = []
    samples: List[Prediction] = []
    events: List[LabelEvent] = []
    thumbnails: List[Thumbnail] = []
    last_reset: Optional[str] = None
    end_ns = count = 0
    with open_video(source) as video:
        spec, info = recognizer.spec, video.info
        period_sec = _sampled_every_sec(spec, info, stream.sampling)
        stream = replace(stream, min_frames=reachable_min_frames(spec, info, stream.min_frames, stream.sampling))
        if spec.silent_frames * period_sec >= (info.length_sec or math.inf):
            stream = replace(stream, warm_start=REPEAT)
        pipeline = LabelPipeline(recognizer.stream(**asdict(stream), top_k=1), labels)
        if copy is not None:
            copy.start(info)
        with suppress(*([KeyboardInterrupt] if is_camera(source) else [])):
            for item in label_frames(pipeline, shift(video, 0)):
                frame, count = Frame(item.frame.rgb, item.frame.stamp_ns), count + 1
                end_ns = frame.stamp_ns + round(NANOSECONDS / info.fps)
                last_reset = pipeline.stream.status.reset or last_reset
                predictions += [item.prediction] if item.prediction else []
                events += item.events
                if item.shown is not None:
                    samples.append(item.shown)
                    if on_sample is not None:
                        on_sample(item.shown)
                if copy is not None:
                    copy.write(frame, samples[-1] if samples else None)
                _keep_thumbnail(thumbnails, frame, info)
                if on_frame is not None:
                    on_frame(count, info.frames)
        events += pipeline.close(end_ns)
    silent_sec = pipeline.stream.status.silent_frames * period_sec
    if not samples:
        raise _no_label(source, f"{spec.name} needs {silent_sec:.1f} s of video before its first label", last_reset)
    return VideoLabels(
        path=Path(source),
        model=spec.name,
        source=recognizer.source,
        classes=recognizer.labels.names,
        duration_sec=end_ns / NANOSECONDS,
        warm_up_sec=spec.warm_up * period_sec,
        label_delay_sec=spec.delay * period_sec,
        samples=tuple(samples),
        segments=tuple(_segment(event) for event in events if event.kind == ENDED),
        whole=mean_prediction(predictions, recognizer.labels, labels.top_k),
        thumbnails=tuple(thumbnails),
    )


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


def _keep_thumbnail(thumbnails: List[Thumbnail], frame: Frame, info: VideoInfo) -> None:
    time_sec = frame.stamp_ns / NANOSECONDS
    every_sec = (info.length_sec or 60.0) / THUMBNAILS
    if len(thumbnails) * every_sec <= time_sec and len(thumbnails) <= 4 * THUMBNAILS:
        height, width = frame.size
        size = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
        thumbnails.append(Thumbnail(time_sec, cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)))


def _no_label(source: VideoSource, needs: str, last_reset: Optional[str]) -> DataError:
    if last_reset:
        return DataError(
            f"{source} yields no label: {needs}, and starts over before that ({last_reset}); "
            "raise max_gap_sec or convert the video to a constant frame rate and size"
        )
    return DataError(f"{source} is too short for a label: {needs}; use warm start 'repeat'")


def _segment(event: LabelEvent) -> Segment:
    start, end = event.began_ns / NANOSECONDS, event.stamp_ns / NANOSECONDS
    return Segment(start, end, event.label, event.class_id, event.score, event.provisional)


@contextmanager
def annotated_copy(path: Path) -> Iterator[AnnotatedCopy]:
    """Write a copy atomically; frame times are kept, sound is not. Raises VideoError if it can't be written."""
    with video_writer(path) as writer:
        yield AnnotatedCopy(writer)


class AnnotatedCopy:
    """A video file that is being written; its methods raise VideoError."""

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer

    def start(self, info: VideoInfo) -> None:
        """Begin."""
        # The colours of four pixels share one value, so both sides have to be even.
        size = info.height + info.height % 2, info.width + info.width % 2
        self._writer.start(size, info.fps, best_codec(), at_stamps=True)

    def write(self, frame: Frame, shown: Optional[Prediction]) -> None:
        """Add a frame with the newest labels, if any; stamps count from the beginning of the video."""
        lines = [f"{frame.stamp_ns / NANOSECONDS:.1f} s", *([] if shown else ["warming up"])]
        rgb, (height, width) = annotate(frame.rgb, shown, lines), frame.size
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        self._writer.write(Frame(rgb, frame.stamp_ns))
