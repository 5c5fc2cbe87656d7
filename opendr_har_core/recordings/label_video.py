"""Labels of a video file, rosbag2 or webcam recording over its own time, and a copy with the labels drawn into it.

They are of the whole picture, or of each person in it.
"""

from __future__ import annotations

import math
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Sequence

import cv2
import numpy as np

from opendr_har_core.errors import DataError, ImageError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.annotate import annotate
from opendr_har_core.media.video import (
    OpenVideo,
    VideoInfo,
    VideoSource,
    VideoWriter,
    best_codec,
    is_camera,
    open_video,
    shift,
    video_writer,
)
from opendr_har_core.people.detector import PersonDetector
from opendr_har_core.people.pipeline import PeoplePipeline, Person, people_frames
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.bag_reader import Unreadable, as_video, open_images
from opendr_har_core.recordings.sources import BAG_FACTS, is_bag
from opendr_har_core.recordings.video_labels import PeopleLabels, PersonLabels, Segment, Thumbnail, VideoLabels
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.events import ENDED, LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline, label_frames, mean_prediction
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import EVERY_FRAME, REPEAT, STAMPS, LabelSettings, StreamSettings
from opendr_har_core.streaming.stream import AnyFrame

THUMBNAILS, THUMBNAIL_HEIGHT = 12, 216
# (frames done, frames in all; None if unknown)
OnFrame = Callable[[int, Optional[int]], None]
OnSample = Callable[[Prediction], None]
OnPerson = Callable[[Person], None]
DEFAULT_STREAM, DEFAULT_LABELS, DEFAULT_PEOPLE = StreamSettings(), LabelSettings(), PeopleSettings()


def label_video(
    recognizer: Recognizer,
    source: VideoSource,
    stream: StreamSettings = DEFAULT_STREAM,
    labels: LabelSettings = DEFAULT_LABELS,
    on_frame: Optional[OnFrame] = None,
    on_sample: Optional[OnSample] = None,
    copy: Optional[AnnotatedCopy] = None,
    topic: Optional[str] = None,
) -> VideoLabels:
    """Label a file or a bag's images on `topic` from beginning to end, or a webcam until Ctrl-C.

    A file that is too short for a label gets provisional ones, as with warm start "repeat". `on_sample` gets each shown
    prediction when it comes, `copy` each frame. Unreadable images of a bag are counted and skipped. Raises VideoError
    for a file that can't be read whole, DataError without a label, ConfigError, BackendError.
    """
    predictions: List[Prediction] = []
    samples: List[Prediction] = []
    events: List[LabelEvent] = []
    last_reset: Optional[str] = None
    with _played(recognizer, source, stream, copy, on_frame, topic) as played:
        pipeline = LabelPipeline(recognizer.stream(**asdict(played.stream), top_k=1), labels)
        with played.until_ctrl_c():
            for item in label_frames(pipeline, played.frames()):
                if item.error is not None:
                    played.unreadable.add(item.error)
                    continue
                last_reset = pipeline.stream.status.reset or last_reset
                predictions += [_kept(item.prediction)] if item.prediction else []
                events += item.events
                if item.shown is not None:
                    samples.append(_kept(item.shown))
                    if on_sample is not None:
                        on_sample(item.shown)
                if copy is not None:
                    copy.write(_annotated(played.frame, samples[-1] if samples else None))
        events += pipeline.close(played.end_ns)
    if not samples:
        silent_sec = pipeline.stream.status.silent_frames * played.period_sec
        needs = f"{recognizer.spec.name} needs {silent_sec:.1f} s of video before its first label"
        raise _no_label(source, needs, last_reset, played.unreadable)
    return VideoLabels(
        **played.facts(),
        samples=tuple(samples),
        segments=tuple(_segment(event) for event in events if event.kind == ENDED),
        whole=mean_prediction(predictions, recognizer.labels, labels.top_k),
    )


def label_people(
    recognizer: Recognizer,
    detector: PersonDetector,
    source: VideoSource,
    people: PeopleSettings = DEFAULT_PEOPLE,
    stream: StreamSettings = DEFAULT_STREAM,
    labels: LabelSettings = DEFAULT_LABELS,
    on_frame: Optional[OnFrame] = None,
    on_sample: Optional[OnPerson] = None,
    copy: Optional[AnnotatedCopy] = None,
    topic: Optional[str] = None,
) -> PeopleLabels:
    """As `label_video`, but label each person; `on_sample` gets each person with a new label. A video may have none."""
    seen: Dict[str, _Seen] = {}
    with _played(recognizer, source, stream, copy, on_frame, topic) as played:
        pipeline = PeoplePipeline(recognizer, detector, people, played.stream, labels)
        with played.until_ctrl_c():
            for item in people_frames(pipeline, played.frames()):
                if item.error is not None:
                    played.unreadable.add(item.error)
                    continue
                for person in item.people.people:
                    seen.setdefault(person.track_id, _Seen(item.frame.stamp_ns)).take(person, item.frame.stamp_ns)
                    if on_sample is not None and person.is_new:
                        on_sample(person)
                for id, event in item.people.events:
                    seen[id].events.append(event)
                if copy is not None:
                    copy.write(_annotated_people(played.frame, item.people.people))
        for id, event in pipeline.reset():
            seen[id].events.append(event)
    found = tuple(each.labels(id, recognizer, labels) for id, each in seen.items())
    return PeopleLabels(**played.facts(), people=found)


def _kept(prediction: Prediction) -> Prediction:
    """A prediction without its features, which would take most of the memory of a long video."""
    return replace(prediction, features=None)


@dataclass
class _Seen:
    """What is gathered about a person."""

    first_ns: int
    last_ns: int = 0
    samples: List[Person] = field(default_factory=list)
    events: List[LabelEvent] = field(default_factory=list)

    def take(self, person: Person, stamp_ns: int) -> None:
        self.last_ns = stamp_ns
        if person.is_new and person.label is not None:
            self.samples.append(replace(person, label=_kept(person.label)))

    def labels(self, track_id: str, recognizer: Recognizer, settings: LabelSettings) -> PersonLabels:
        samples = tuple(person.label for person in self.samples if person.label is not None)
        return PersonLabels(
            track_id=track_id,
            start_sec=self.first_ns / NANOSECONDS,
            end_sec=self.last_ns / NANOSECONDS,
            samples=samples,
            segments=tuple(_segment(event) for event in self.events if event.kind == ENDED),
            boxes=tuple(person.box for person in self.samples),
            whole=mean_prediction(samples, recognizer.labels, settings.top_k) if samples else None,
        )


class _Played:
    """A recording that is played to a pipeline: `frame` is the one that is being labelled."""

    def __init__(
        self,
        recognizer: Recognizer,
        source: VideoSource,
        video: OpenVideo[Any],
        stream: StreamSettings,
        on_frame: Optional[OnFrame],
        unreadable: Unreadable,
    ) -> None:
        spec, info = recognizer.spec, video.info
        self.period_sec = _sampled_every_sec(spec, info, stream.sampling)
        stream = replace(stream, min_frames=reachable_min_frames(spec, info, stream.min_frames, stream.sampling))
        if spec.silent_frames * self.period_sec >= (info.length_sec or math.inf):
            stream = replace(stream, warm_start=REPEAT)
        self.stream = stream
        self.frame: AnyFrame
        self.start_ns, self.end_ns = 0, 0
        self.unreadable = unreadable
        self._recognizer, self._source, self._video, self._on_frame = recognizer, source, video, on_frame
        self._thumbnails: List[Thumbnail] = []

    def frames(self) -> Iterator[AnyFrame]:
        """The frames, stamped from 0 on."""
        info = self._video.info
        first = next(self._video.frames)
        self.start_ns = first.stamp_ns
        video = replace(self._video, frames=chain([first], self._video.frames))
        for count, frame in enumerate(shift(video, 0), start=1):
            self.frame, self.end_ns = frame, max(self.end_ns, frame.stamp_ns + round(NANOSECONDS / info.fps))
            yield frame
            _keep_thumbnail(self._thumbnails, frame, info)
            if self._on_frame is not None:
                self._on_frame(count, info.frames)

    def until_ctrl_c(self) -> ContextManager[None]:
        """Ctrl-C ends the recording of a webcam."""
        return suppress(*([KeyboardInterrupt] if is_camera(self._source) else []))

    def facts(self) -> Dict[str, Any]:
        """The attributes of `LabelledVideo`."""
        spec = self._recognizer.spec
        return {
            "path": Path(self._source),
            "model": spec.name,
            "source": self._recognizer.source,
            "classes": self._recognizer.labels.names,
            "start_ns": self.start_ns,
            "duration_sec": self.end_ns / NANOSECONDS,
            "unreadable": self.unreadable.count,
            "warm_up_sec": spec.warm_up * self.period_sec,
            "label_delay_sec": spec.delay * self.period_sec,
            "thumbnails": tuple(self._thumbnails),
        }


@contextmanager
def _played(
    recognizer: Recognizer,
    source: VideoSource,
    stream: StreamSettings,
    copy: Optional[AnnotatedCopy],
    on_frame: Optional[OnFrame],
    topic: Optional[str],
) -> Iterator[_Played]:
    unreadable = Unreadable()
    with open_recording(source, topic, unreadable) as video:
        if copy is not None:
            copy.start(video.info)
        yield _Played(recognizer, source, video, stream, on_frame, unreadable)


@contextmanager
def open_recording(source: VideoSource, topic: Optional[str], unreadable: Unreadable) -> Iterator[OpenVideo[Any]]:
    """Open a video, a camera, or a bag's images on `topic`; `unreadable` counts those that can't be read.

    Raises VideoError, ConfigError.
    """
    path = Path(source)
    if is_camera(source) or not is_bag(path):
        if path.is_dir() and not is_camera(source):
            raise VideoError(f"the folder {path} is no bag, it has no {BAG_FACTS}; give a video, or the file of a bag")
        with open_video(source) as video:
            yield video
        return
    with open_images(path, topic) as images:
        yield as_video(images, unreadable)


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


def _keep_thumbnail(thumbnails: List[Thumbnail], frame: AnyFrame, info: VideoInfo) -> None:
    time_sec = frame.stamp_ns / NANOSECONDS
    every_sec = (info.length_sec or 60.0) / THUMBNAILS
    if len(thumbnails) * every_sec <= time_sec and len(thumbnails) <= 4 * THUMBNAILS:
        height, width = frame.size
        size = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
        with suppress(ImageError):  # the next image of the bag will do
            thumbnails.append(Thumbnail(time_sec, cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)))


def _no_label(source: VideoSource, needs: str, last_reset: Optional[str], unreadable: Unreadable) -> DataError:
    if unreadable.count:
        lost = f"{unreadable.count} images are unreadable, the last one: {unreadable.last_error}"
        return DataError(f"{source} yields no label: {needs}, and {lost}")
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

    def write(self, frame: Frame) -> None:
        """Add an annotated frame; stamps count from the beginning of the video."""
        rgb, (height, width) = frame.rgb, frame.size
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        self._writer.write(Frame(rgb, frame.stamp_ns))


def _annotated(frame: AnyFrame, shown: Optional[Prediction]) -> Frame:
    """The frame with the newest labels, if any, and its time."""
    lines = [_time(frame), *([] if shown else ["warming up"])]
    return Frame(annotate(frame.rgb, shown, lines), frame.stamp_ns)


def _annotated_people(frame: AnyFrame, people: Sequence[Person]) -> Frame:
    boxes = [(person.box, person.title) for person in people]
    return Frame(annotate(frame.rgb, None, [_time(frame)], boxes), frame.stamp_ns)


def _time(frame: AnyFrame) -> str:
    return f"{frame.stamp_ns / NANOSECONDS:.1f} s"
