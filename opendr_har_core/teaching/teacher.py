"""Records lessons from a running recognizer, refuses those that can't be used, and fits a head to all of them."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from opendr_har_core.bundles.head import GRAPH, Head
from opendr_har_core.errors import ConfigError, DataError, ImageError, ModelError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import best_codec, read_video, video_writer
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_core.teaching.fit import confusions, fit_head
from opendr_har_core.teaching.lessons import Example, Examples, Lessons, folder_of
from opendr_har_core.teaching.pictures import PictureCheck

LONGEST_SEC = 60.0
FEWEST_ROWS = 2
# Of clips: enough for networks that sample faster than the present one. The short side is that of Kinetics' copies.
CLIP_FPS, CLIP_SIDE, CLIP_QUALITY = 15.0, 320, 90
CHECK_EVERY_SEC, CHECKED = 0.2, 5
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 120, 80
# Of each label, for the estimate of confusions.
NEWEST = 5
LISTED = 5
# Borders of segments are whole milliseconds, stamps of frames are not.
HALF_MS = 500_000
# Cosine of the mean features of two showings. For gestures of one kind it is 0.72 or more, with either packaged base.
UNLIKE = 0.7
NO_IMAGES = "no image has arrived: check the camera, and that it is the one of the goal"


class LessonResult(NamedTuple):
    """A lesson that was stored.

    Attributes:
        label, id: of the example.
        seconds: its length.
        warnings: what is wrong with it.
    """

    label: str
    id: str
    seconds: float
    warnings: Tuple[str, ...] = ()


@dataclass
class _Recording:
    """What has been shown so far."""

    label: str
    began_ns: Optional[int] = None
    latest_ns: int = 0
    rows: List[np.ndarray] = field(default_factory=list)
    pictures: List[Tuple[int, bytes]] = field(default_factory=list)  # JPEG
    shape: Tuple[int, ...] = ()  # of the pictures
    check: PictureCheck = field(default_factory=PictureCheck)
    checked_ns: int = 0

    @property
    def seconds(self) -> float:
        return 0.0 if self.began_ns is None else (self.latest_ns - self.began_ns) / NANOSECONDS


class Teacher:
    """Teaches one recognizer from a folder of lessons. Thread-safe: record in one thread, learn in another."""

    def __init__(
        self, recognizer: Recognizer, lessons: Lessons, keep_clips: bool = True, keep_base: bool = False
    ) -> None:
        """`recognizer` is the one to teach, as it was opened.

        With `keep_clips`, lessons have clips: training takes them, and another model can learn from them. With
        `keep_base`, the model also keeps its own classes. Raises ModelError for a bundle that gives no features, or
        that does not say what the classes to keep look like.
        """
        check_teachable(recognizer, keep_base)
        self.recognizer, self.lessons = recognizer, lessons
        self._keep_clips, self._keep_base = keep_clips, keep_base
        self._lock = threading.Lock()
        self._recording: Optional[_Recording] = None

    @property
    def is_recording(self) -> bool:
        """Whether a lesson has been started and neither finished nor cancelled."""
        return self._recording is not None

    @property
    def seconds(self) -> float:
        """Length of the running lesson so far, by the stamps of its frames."""
        recording = self._recording
        return 0.0 if recording is None else recording.seconds

    @property
    def quality(self) -> str:
        """What is wrong with the newest images of the running lesson, or ""."""
        with self._lock:
            return "" if self._recording is None else self._recording.check.problem(CHECKED)

    @property
    def shortest_sec(self) -> float:
        """Length of the shortest lesson that can be used."""
        spec = self.recognizer.spec
        return (spec.warm_up + FEWEST_ROWS - 1) * spec.period_ns / NANOSECONDS

    def start(self, label: str) -> None:
        """Record a lesson; raises ConfigError for a text that can't be a label, and while another one is recorded."""
        folder_of(label)
        with self._lock:
            if self._recording is not None:
                raise ConfigError(f"a lesson of {self._recording.label!r} is being recorded; wait for its end")
            self._recording = _Recording(label)

    def push(self, prediction: Optional[Prediction], frame: AnyFrame) -> None:
        """Record a frame and what the recognizer has said after it; takes a millisecond or two.

        Only predictions whose whole window lies inside of the lesson count. A frame that can't be read is left out.
        """
        with self._lock:
            recording = self._recording
            if recording is None or recording.seconds > LONGEST_SEC:
                return
            if recording.began_ns is None:
                recording.began_ns = recording.latest_ns = frame.stamp_ns
            elif frame.stamp_ns <= recording.latest_ns:
                return
            recording.latest_ns = frame.stamp_ns
            if prediction is not None and self._counts(prediction, recording.began_ns):
                recording.rows.append(np.asarray(prediction.features, np.float32))
            self._add_picture(recording, frame)

    def cancel(self) -> None:
        """Drop the running lesson."""
        with self._lock:
            self._recording = None

    def finish(self, nothing: str = NO_IMAGES) -> LessonResult:
        """End the running lesson and store it.

        Raises DataError with the reason and what to do for a lesson that can't be used, which `nothing` is if it has no
        frames; ResourceError if it can't be stored; ConfigError if there is none. All earlier lessons are kept.
        """
        with self._lock:
            recording, self._recording = self._recording, None
        if recording is None:
            raise ConfigError("no lesson is being recorded; start one first")
        problem = recording.check.problem() if recording.pictures else nothing
        if not problem and len(recording.rows) < FEWEST_ROWS:
            least = math.ceil(self.shortest_sec)
            problem = f"its images cover {recording.seconds:.1f} s, which is too short: show it for at least {least} s"
        if problem:
            raise DataError(f"the lesson of {recording.label!r} is not used: {problem}")
        middle = _decoded(recording.pictures[len(recording.pictures) // 2][1])
        thumbnail = _jpeg(_limited(middle, THUMBNAIL_SIDE), THUMBNAIL_QUALITY)
        example = Example(np.stack(recording.rows), time.time_ns(), recording.seconds, thumbnail)
        write_clip = (lambda path: _write_clip(path, recording.pictures)) if self._keep_clips else None
        lesson, reason = self.lessons.add(recording.label, example, self.recognizer.base, write_clip)
        warnings = (f"the lesson has no clip, so that only this model knows it: {reason}",) if reason else ()
        return LessonResult(lesson.label, lesson.id, recording.seconds, warnings)

    def examples(self) -> Examples:
        """All examples for this recognizer; those of other models are computed from their clips, which takes time."""
        return self.lessons.examples(self.recognizer.base, lambda clip: example_of(self.recognizer, clip))

    def head(self, examples: Examples) -> Optional[Head]:
        """The head for all examples, as stored or newly fitted and stored; without any, that of the bundle.

        Raises DataError for examples that do not fit together.
        """
        base = self.recognizer.head
        if not examples.by_label:
            return base
        origin = (self.recognizer.base, "" if base is None else base.to_text(), self._keep_base)
        key = hashlib.sha256(f"{origin} {sorted(examples.ids)}".encode()).hexdigest()
        stored = self.lessons.stored_head(key)
        with suppress(ModelError):  # damaged, or of another version
            return self._read(stored) if stored is not None else self._fitted(examples, key)
        return self._fitted(examples, key)

    def _fitted(self, examples: Examples, key: str) -> Head:
        text = fit_head(examples.by_label, self.recognizer.head, self._keep_base).to_text()
        self.lessons.store_head(key, text)
        return self._read(text)  # rounded as it is after a restart

    def _read(self, text: str) -> Head:
        return Head.from_text(text, self.recognizer.width, self.recognizer.spec)

    def warnings(self, examples: Examples, head: Optional[Head], label: str = "") -> List[str]:
        """What may go wrong with the examples, of a newly shown `label` or of all, and what to do."""
        return teaching_warnings(self.recognizer, examples, head, self._keep_base, label)

    def _counts(self, prediction: Prediction, began_ns: int) -> bool:
        spec = self.recognizer.spec
        earliest_ns = prediction.stamp_ns - spec.warm_up * spec.period_ns
        is_inside = earliest_ns >= began_ns - spec.period_ns // 2
        return prediction.features is not None and not prediction.provisional and is_inside

    def _add_picture(self, recording: _Recording, frame: AnyFrame) -> None:
        latest_ns = recording.pictures[-1][0] if recording.pictures else None
        if latest_ns is not None and frame.stamp_ns - latest_ns < 0.9 * NANOSECONDS / CLIP_FPS:
            return
        try:
            rgb = frame.rgb
        except ImageError:
            return
        small = _even(_limited(rgb, CLIP_SIDE))
        if latest_ns is None:
            recording.shape = small.shape
        elif small.shape != recording.shape:
            return  # a clip has one size
        if latest_ns is None or frame.stamp_ns - recording.checked_ns >= 0.9 * CHECK_EVERY_SEC * NANOSECONDS:
            recording.checked_ns = frame.stamp_ns
            recording.check.add(rgb)
        recording.pictures.append((frame.stamp_ns, _jpeg(small, CLIP_QUALITY)))


def check_teachable(recognizer: Recognizer, keep_base: bool = False) -> None:
    """Raise ModelError for a bundle that can't be taught, or not with its own classes."""
    if not recognizer.width:
        raise ModelError(
            f"this {recognizer.spec.name} is of a bundle format without features, so it can't be taught; "
            f"export it again"
        )
    if keep_base and not _can_keep(recognizer):
        raise ModelError(
            f"keep_base is set, but this bundle of {recognizer.spec.name} does not say what its classes look like; "
            f"use the packaged model default or continual, or unset it"
        )


def _can_keep(recognizer: Recognizer) -> bool:
    return recognizer.head is not None and GRAPH in recognizer.head.owners


def teaching_warnings(
    recognizer: Recognizer, examples: Examples, head: Optional[Head], keep_base: bool = False, label: str = ""
) -> List[str]:
    """What may go wrong with the examples of a head, of a newly shown `label` or of all, and what to do."""
    known = recognizer.labels if head is None else head.labels
    lost = [name for name in recognizer.labels if name not in known.names]
    found: List[str] = []
    if lost and (not label or len(examples.ids) == 1):  # once, not with each lesson
        names = ", ".join(lost[:LISTED]) + " ..." * (len(lost) > LISTED)
        advice = "; set keep_base (--keep-base) to keep them" if _can_keep(recognizer) else ""
        found.append(f"no longer known, for lack of lessons: {names}{advice}")
    for name in [label] if label else list(examples.by_label):
        found += _unlike(name, examples.by_label.get(name, ()))
    newest = {name: group[-NEWEST:] for name, group in examples.by_label.items()}
    taken = confusions(newest, recognizer.head, keep_base) if newest else []
    pairs = dict.fromkeys((min(first, second), max(first, second)) for first, second, _ in taken)
    found += [
        f"{first!r} and {second!r} are hard to tell apart: show two more of each"
        for first, second in pairs
        if label in ("", first, second)
    ]
    return [*found, *examples.problems]


def example_of(recognizer: Recognizer, video: Path) -> Example:
    """The example that a video shows: its predictions with a full window, or all if it is too short for any.

    Raises DataError for a video without predictions, VideoError for one that can't be read.
    """
    features, seconds = _shown(recognizer, read_video(video))
    if not len(features):
        raise DataError(f"{video} is too short for the model: show the activity for a few seconds")
    return Example(features, video.stat().st_mtime_ns, seconds)


def examples_of(
    recognizer: Recognizer, frames: Iterable[AnyFrame], segments: Sequence[Tuple[float, float, str]]
) -> Examples:
    """The examples that segments (start, end, label) of a recording show, in seconds, rising, without overlaps.

    `frames` are stamped from 0 on. Raises what `frames` raises.
    """
    starts = [round(start * NANOSECONDS) for start, _, _ in segments]
    ends = [round(end * NANOSECONDS) for _, end, _ in segments]
    shown = {}
    for index, group in groupby(frames, lambda frame: bisect_right(starts, frame.stamp_ns + HALF_MS) - 1):
        if index >= 0:
            shown[index], _ = _shown(recognizer, (frame for frame in group if frame.stamp_ns + HALF_MS < ends[index]))
    found = Examples({}, [], [])
    for index, (start, end, label) in enumerate(segments):
        if len(shown.get(index, ())):
            found.by_label.setdefault(label, []).append(shown[index])
        else:
            found.problems.append(f"{label!r} from {start} to {end} s is too short for the model: not used")
    return found


def _shown(recognizer: Recognizer, frames: Iterable[AnyFrame]) -> Tuple[np.ndarray, float]:
    """(features of the predictions with a full window or else of all, float32 (n, F); stamp of the last frame in s)."""
    stream, rows, stamp_ns = recognizer.stream(), [], 0
    for frame in frames:
        stamp_ns = frame.stamp_ns
        with suppress(ImageError):  # the next image of a bag will do
            prediction = stream.push(frame)
            if prediction is not None and prediction.features is not None:
                rows.append((prediction.provisional, prediction.features))
    full = [features for is_provisional, features in rows if not is_provisional]
    return np.array(full or [features for _, features in rows], np.float32), stamp_ns / NANOSECONDS


def _unlike(label: str, group: Sequence[np.ndarray]) -> List[str]:
    """A warning if the newest example is unlike all earlier ones."""
    means = np.array([example.mean(axis=0) for example in group])
    unit = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9) if len(means) else means
    if len(unit) < 2 or (unit[:-1] @ unit[-1]).max() >= UNLIKE:
        return []
    return [
        f"the newest example of {label!r} is unlike the earlier ones: if it shows something else, remove it; if not, "
        f"show two more"
    ]


def _limited(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture, scaled down to a short side of at most `side`."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller: np.ndarray = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return smaller


def _even(picture: np.ndarray) -> np.ndarray:
    """Without an odd last row and column, which videos can't have."""
    height, width = picture.shape[:2]
    return picture[: max(2, height - height % 2), : max(2, width - width % 2)]


def _jpeg(rgb: np.ndarray, quality: int) -> bytes:
    _, content = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(content)


def _decoded(jpeg: bytes) -> np.ndarray:
    bgr: Any = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    rgb: np.ndarray = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def _write_clip(path: Path, pictures: Sequence[Tuple[int, bytes]]) -> None:
    with video_writer(path) as writer:
        for stamp_ns, jpeg in pictures:
            frame = Frame(_decoded(jpeg), stamp_ns - pictures[0][0])
            if frame.stamp_ns == 0:
                writer.start(frame.size, CLIP_FPS, best_codec(), at_stamps=True)
            writer.write(frame)
