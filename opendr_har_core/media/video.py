"""Video files and webcams as streams of frames, and back, with PyAV."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Generator, Iterable, Iterator, Optional, Union

import av
import numpy as np

from opendr_har_core.errors import ConfigError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.containers import AV_ERROR, FAILURES, first_picture, first_video, open_file
from opendr_har_core.media.orientation import Orientation
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

Source = Union[str, Path]

TYPICAL_FPS = Fraction(30)


@dataclass(frozen=True)
class VideoInfo:
    """What a video says about itself.

    Attributes:
        width, height: pixels of the upright picture, as `read_video` gives it.
        fps: average frames per second.
        frames: number of frames, where the file says so.
        duration_sec: length, where the file says so.
    """

    width: int
    height: int
    fps: float
    frames: Optional[int]
    duration_sec: Optional[float]


def probe(source: Source) -> VideoInfo:
    """Look at a video's header and decode its first frame, which tells how it is turned; raises VideoError."""
    with _opened(source) as (container, stream):
        fps = float(stream.average_rate or TYPICAL_FPS)
        frames = stream.frames or None
        duration = container.duration / av.time_base if container.duration else None
        picture = first_picture(container, stream, source)
        height, width = Orientation.of(picture).size(picture)
        return VideoInfo(width, height, fps, frames, duration)


def is_camera(source: Source) -> bool:
    """Whether the source is the number of a webcam rather than a file."""
    return str(source).isdigit()


def read_video(source: Source) -> Iterator[Frame]:
    """The frames of a file, stamped by its own frame times from 0 on; or of webcam "0", stamped by the clock.

    Pictures are C-contiguous, and upright: turned and mirrored as the file says. Stamps always rise. A damaged or
    truncated file gives all frames that can be read and then raises VideoError; a file that is missing or no video
    raises it at once.
    """
    with _opened(source) as (container, stream):
        clock = time.time_ns if is_camera(source) else None
        count, last = 0, 0
        for frame in _stamped(_decoded(container, stream, source), stream, clock):
            count, last = count + 1, frame.stamp_ns
            yield frame
        if count == 0:
            raise VideoError(f"{source} has no frame that can be decoded; check that it plays")
        missing = _missing(container, stream, count, last)
        if missing:
            raise VideoError(f"{source} is incomplete: {missing} could be read; copy it again")


def loop_frames(source: Source, passes: Optional[int] = None) -> Iterator[Frame]:
    """Play a file `passes` times, or for ever, with stamps that keep rising by the mean frame interval in between."""
    if passes is not None and passes < 1:
        raise ConfigError(f"passes is {passes}, expected one or more")
    start_ns, done = 0, 0
    while passes is None or done < passes:
        start_ns = yield from play_once(source, start_ns)
        done += 1


def play_once(source: Source, start_ns: int) -> Generator[Frame, None, int]:
    """The frames of a file, stamped from `start_ns` on; returns the stamp at which the next pass begins."""
    stamp, count = start_ns, 0
    for frame in read_video(source):
        stamp = start_ns + frame.stamp_ns
        count += 1
        yield Frame(frame.rgb, stamp)
    if count == 1:
        return stamp + round(NANOSECONDS / probe(source).fps)
    return stamp + (stamp - start_ns) // (count - 1)


def write_video(path: Source, frames: Iterable[Frame], fps: float) -> Path:
    """Encode frames of one size at a constant rate (MPEG-4); the file appears whole or not at all.

    Raises VideoError when there are no frames, the size changes or the file can't be written.
    """
    path = Path(path)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise VideoError(f"no frames to write to {path}")
    try:
        with atomic_path(path) as temporary:
            _encode(temporary, chain([first], iterator), first, Fraction(fps).limit_denominator(1001))
    except (AV_ERROR, OSError, ValueError) as error:
        raise VideoError(f"can't write the video {path}: {error}") from None
    return path


def _encode(path: Path, frames: Iterable[Frame], first: Frame, rate: Fraction) -> None:
    with writing(path) as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = first.size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for frame in frames:
            if frame.size != first.size:
                raise VideoError(f"frames of {first.size} and {frame.size} can't be in one video; resize them first")
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.rgb), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


@contextmanager
def writing(path: Path) -> Iterator[Any]:
    """A PyAV container that becomes the file `path`; raises what PyAV and the file do.

    The file is ours: FFmpeg would not close its own where the disk is full.
    """
    with path.open("w+b") as file, av.open(file, "w") as container:
        yield container


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """(container, video stream); closed afterwards, also when a reader stops half way."""
    if not is_camera(source):
        with open_file(source) as opened:
            yield opened
        return
    try:
        container = av.open(f"/dev/video{source}", format="v4l2")
    except FAILURES as error:
        raise VideoError(f"webcam {source} can't be opened as video: {error}") from None
    with container:
        yield container, first_video(container, source)


def _decoded(container: Any, stream: Any, source: Source) -> Iterator[Any]:
    try:
        yield from container.decode(stream)
    except FAILURES as error:
        raise VideoError(f"{source} breaks off: {error}; the frames before were read") from None


def _stamped(pictures: Iterator[Any], stream: Any, clock: Any) -> Iterator[Frame]:
    """Frames with stamps that start at 0 and always rise, whatever the file says."""
    interval = round(NANOSECONDS / (stream.average_rate or TYPICAL_FPS))
    start: Optional[int] = None
    orientation: Optional[Orientation] = None
    last = -interval
    for picture in pictures:
        if clock:
            stamp = clock()
        elif picture.pts is None or picture.time_base is None:
            stamp = last + interval
        else:
            time_ns = round(picture.pts * picture.time_base * NANOSECONDS)
            start = time_ns if start is None else start
            stamp = time_ns - start
        last = stamp if stamp > last else last + interval
        orientation = orientation or Orientation.of(picture)
        yield Frame(orientation.upright(picture), last)


def _missing(container: Any, stream: Any, count: int, last_ns: int) -> Optional[str]:
    """What was read of what the header announces, where it is clearly less; None for a whole file."""
    if stream.frames:
        # An index may count frames that the codec never shows.
        hidden = 1 + int(getattr(stream.codec_context, "has_b_frames", 0) or 0)
        return f"{count} of {stream.frames} frames" if count < stream.frames - hidden else None
    announced = (container.duration or 0) / av.time_base
    reached = last_ns / NANOSECONDS
    return f"{reached:.2f} of {announced:.2f} s" if reached < 0.9 * announced - 0.5 else None
