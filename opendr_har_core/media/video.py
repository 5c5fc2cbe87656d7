"""Video files and webcams as streams of frames, and frames into video files, with PyAV."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Generator, Generic, Iterable, Iterator, Optional, Tuple, TypeVar, Union

import av
import numpy as np

from opendr_har_core.errors import ConfigError, VideoError
from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.media.containers import (
    AV_ERROR,
    FAILURES,
    Orientation,
    first_picture,
    first_video,
    open_address,
    open_file,
    without_password,
)
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

# The number of a webcam, an address such as rtsp://camera/stream, or a file.
VideoSource = Union[str, Path]
F = TypeVar("F", Frame, LazyFrame)
ADDRESS = re.compile(r"(?:rtsps?|rtmp|srt|udp|tcp|https?)://", re.IGNORECASE)

SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg")
TYPICAL_FPS = Fraction(30)
# The best that the build has: every build of FFmpeg has the last.
MPEG4 = "mpeg4"
CODECS = ("libx264", MPEG4)
OPTIONS = {"libx264": {"preset": "veryfast", "crf": "21"}}
BIT_RATE = 4_000_000  # for a codec without a quality option
# Players know milliseconds, and so do MPEG-4's headers.
TICKS = 1000


@dataclass(frozen=True)
class VideoInfo:
    """Properties that the header of a video announces.

    Attributes:
        width, height: pixels of the upright picture, as `read_video` yields it.
        fps: average frames per second.
        frames: number of frames; None if the file does not say.
        duration_sec: length; None if the file does not say.
    """

    width: int
    height: int
    fps: float
    frames: Optional[int]
    duration_sec: Optional[float]

    @property
    def length_sec(self) -> Optional[float]:
        """Length by the number of frames, else by the announced duration."""
        return self.frames / self.fps if self.frames else self.duration_sec


@dataclass(frozen=True)
class OpenVideo(Generic[F]):
    """A video that is open: `info`, and `frames`, which can be read once; see `read_video`."""

    info: VideoInfo
    frames: Iterator[F]


@contextmanager
def open_video(source: VideoSource) -> Iterator[OpenVideo[Frame]]:
    """Open a file, webcam or address and decode its first frame; closed afterwards. Raises VideoError."""
    with _opened(source) as (container, stream):
        source = public_name(source)
        pictures = container.decode(stream)
        first = first_picture(pictures, source)
        orientation = Orientation.of(first)
        height, width = orientation.size(first)
        duration = container.duration / av.time_base if container.duration else None
        info = VideoInfo(width, height, float(stream.average_rate or TYPICAL_FPS), stream.frames or None, duration)
        yield OpenVideo(info, _frames(container, stream, source, chain([first], pictures), orientation))


def probe(source: VideoSource) -> VideoInfo:
    """Open a video only to look at it; raises VideoError."""
    with open_video(source) as video:
        return video.info


def is_webcam(source: VideoSource) -> bool:
    """Whether the source is the number of a webcam."""
    return str(source).isdigit()


def is_address(source: VideoSource) -> bool:
    """Whether the source is an address in a network."""
    return ADDRESS.match(str(source)) is not None


def is_camera(source: VideoSource) -> bool:
    """Whether the source is a webcam or an address rather than a file."""
    return is_webcam(source) or is_address(source)


def public_name(source: VideoSource) -> str:
    """The source without the user and password of an address, for messages and pages."""
    return without_password(str(source)) if is_address(source) else str(source)


def read_video(source: VideoSource) -> Iterator[Frame]:
    """Yield the frames of a file, stamped by their own times from 0 on, or of a camera, stamped by the clock.

    A camera is a webcam such as "0", or an address such as "rtsp://camera/stream" whose video has no known duration;
    one with a duration is read like a file. An address that does not answer for 5 s raises VideoError.

    Pictures are C-contiguous and upright: turned and mirrored as the file says. Stamps always rise. A damaged or
    truncated file yields all frames that can be read and then raises VideoError; a file that is missing or not a
    video raises it immediately.
    """
    with open_video(source) as video:
        yield from video.frames


def loop_frames(source: VideoSource, passes: Optional[int] = None) -> Iterator[Frame]:
    """Play a file `passes` times, or indefinitely; stamps keep rising by the mean frame interval in between."""
    if passes is not None and passes < 1:
        raise ConfigError(f"passes is {passes}, expected one or more")
    start_ns, done = 0, 0
    while passes is None or done < passes:
        with open_video(source) as video:
            start_ns = yield from shift(video, start_ns)
        done += 1


def shift(video: OpenVideo[F], start_ns: int) -> Generator[F, None, int]:
    """The frames of a video with stamps from `start_ns` on; returns the stamp at which a next pass begins."""
    first = stamp = 0
    count = 0
    for frame in video.frames:
        first, stamp, count = frame.stamp_ns if count == 0 else first, frame.stamp_ns, count + 1
        yield frame.at(start_ns + stamp - first)
    interval = (stamp - first) // (count - 1) if count > 1 else round(NANOSECONDS / video.info.fps)
    return start_ns + stamp - first + interval


@contextmanager
def _opened(source: VideoSource) -> Iterator[Any]:
    """(container, video stream); closed afterwards, also when a reader stops early."""
    if is_address(source):
        with open_address(str(source), public_name(source)) as opened:
            yield opened
        return
    if not is_webcam(source):
        with open_file(source) as opened:
            yield opened
        return
    try:
        container = av.open(f"/dev/video{source}", format="v4l2")
    except FAILURES as error:
        raise VideoError(f"webcam {source} can't be opened as video: {error}") from None
    with container:
        yield container, first_video(container, source)


def _frames(
    container: Any, stream: Any, source: VideoSource, pictures: Iterator[Any], orientation: Orientation
) -> Iterator[Frame]:
    stamp_of = _stamps(stream, is_webcam(source) or (is_address(source) and not container.duration))
    count, last = 0, 0
    for picture in _decoded(pictures, source):
        count, last = count + 1, stamp_of(picture)
        yield Frame(orientation.upright(picture), last)
    missing = _missing(container, stream, count, last)
    if missing:
        raise VideoError(f"{source} is incomplete: {missing} could be read; copy it again")


def _decoded(pictures: Iterator[Any], source: VideoSource) -> Iterator[Any]:
    try:
        yield from pictures
    except FAILURES as error:
        reason = without_password(str(error))
        raise VideoError(f"{source} breaks off: {reason}; the frames before were read") from None


def _stamps(stream: Any, is_live: bool) -> Callable[[Any], int]:
    """Stamps in nanoseconds that always rise: a file's start at 0, whatever it says; a webcam's are by the clock."""
    rising = rising_stamps(stream, 0 if is_live else None)
    return lambda picture: rising(time.time_ns() if is_live else _time_ns(picture))


def rising_stamps(stream: Any, start: Optional[int] = None) -> Callable[[Optional[int]], int]:
    """A function that turns times in ns, or None, into rising stamps in ns since `start` or the first time."""
    interval = round(NANOSECONDS / (stream.average_rate or TYPICAL_FPS))
    last = -interval

    def stamp(time_ns: Optional[int]) -> int:
        nonlocal start, last
        start = time_ns if start is None else start
        following = last + interval if time_ns is None or start is None else time_ns - start
        last = following if following > last else last + interval
        return last

    return stamp


def _time_ns(picture: Any) -> Optional[int]:
    if picture.pts is None or picture.time_base is None:
        return None
    stamp: int = round(picture.pts * picture.time_base * NANOSECONDS)
    return stamp


def _missing(container: Any, stream: Any, count: int, last_ns: int) -> Optional[str]:
    """How much was read, if it is clearly less than the header announces; None for a whole file."""
    if stream.frames:
        # An index may count frames that the codec never shows.
        hidden = 1 + int(getattr(stream.codec_context, "has_b_frames", 0) or 0)
        return f"{count} of {stream.frames} frames" if count < stream.frames - hidden else None
    announced = (container.duration or 0) / av.time_base
    reached = last_ns / NANOSECONDS
    return f"{reached:.2f} of {announced:.2f} s" if reached < 0.9 * announced - 0.5 else None


def write_video(path: VideoSource, frames: Iterable[Frame], fps: float) -> Path:
    """Encode frames of one size at a constant rate (MPEG-4); the file is written atomically.

    Raises VideoError when there are no frames, the size changes or the file can't be written.
    """
    path = Path(path)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise VideoError(f"no frames to write to {path}")
    with video_writer(path) as writer:
        writer.start(first.size, fps, MPEG4)
        for frame in chain([first], iterator):
            writer.write(frame)
    return path


@contextmanager
def video_writer(path: Path) -> Iterator[VideoWriter]:
    """Write a video atomically; raises VideoError if it can't be written."""
    try:
        with atomic_path(path) as temporary:
            writer = VideoWriter(path, temporary)
            try:
                yield writer
            except BaseException:
                with suppress(VideoError):
                    writer.close()
                raise
            writer.close()
    except OSError as error:
        raise VideoError(f"can't write the video {path}: {error}") from None


class VideoWriter:
    """A video file that is being written; its methods raise VideoError."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self._path, self._temporary = path, temporary
        self._container: Any = None

    def start(self, size: Tuple[int, int], fps: float, codec: str, at_stamps: bool = False) -> None:
        """Begin with frames of (height, width) `size`, at a constant rate or `at_stamps` that count from zero."""
        self._size, self._latest = size, -1
        self._ticks: Optional[int] = TICKS if at_stamps else None
        with self._named_errors():
            # The file is ours: FFmpeg would not close its own on a full disk.
            self._file = self._temporary.open("w+b")
            self._container = av.open(self._file, "w")
            rate = Fraction(fps).limit_denominator(1001)
            stream = self._container.add_stream(codec, rate=rate, options=OPTIONS.get(codec, {}))
            stream.height, stream.width = size
            stream.pix_fmt = "yuv420p"
            if at_stamps:
                stream.codec_context.time_base = Fraction(1, TICKS)
            if codec not in OPTIONS:
                stream.bit_rate = BIT_RATE
            self._stream = stream

    def write(self, frame: Frame) -> None:
        """Add a frame."""
        if frame.size != self._size:
            raise VideoError(f"frames of {self._size} and {frame.size} can't be in one video; resize them first")
        with self._named_errors():
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.rgb), format="rgb24")
            if self._ticks is not None:
                self._latest = max(self._latest + 1, round(frame.stamp_ns * self._ticks / NANOSECONDS))
                picture.pts, picture.time_base = self._latest, Fraction(1, self._ticks)
            self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what the encoder still holds."""
        container, self._container = self._container, None
        if container is not None:
            with self._named_errors(), self._file, container:
                container.mux(self._stream.encode())

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (AV_ERROR, OSError, ValueError) as error:
            raise VideoError(f"can't write the video {self._path}: {error}") from None


def best_codec() -> str:
    """The first of CODECS that this build of PyAV can write; raises VideoError if there is none."""
    for name in CODECS:
        with suppress(AV_ERROR, ValueError):
            av.Codec(name, "w")
            return name
    raise VideoError(f"this build of PyAV can write none of {CODECS}; install another one")
