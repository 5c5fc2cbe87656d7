"""Frames of a video file at given times, without decoding the whole file."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence, Tuple, Union

import av
import numpy as np

from opendr_har_core.datasets.clips import file_fingerprint
from opendr_har_core.errors import VideoError
from opendr_har_core.media.containers import FAILURES, Orientation, first_picture, open_file
from opendr_har_core.media.video import TYPICAL_FPS

Timed = Tuple[float, Any]


@dataclass(frozen=True)
class VideoFile:
    """VideoSource of a file whose header was read and whose first frame was decoded; see `open_video`.

    Attributes:
        path: the file.
        duration_sec: length in its header.
        first_pts: time of its first frame, in units of its own time base; None if it has no times.
    """

    path: Path
    duration_sec: float
    first_pts: Optional[int] = None

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def fingerprint(self) -> str:
        """Changes when the file does."""
        return file_fingerprint(self.path)

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """See VideoSource.frames; decodes from the keyframe before the first time to the last time.

        Raises VideoError if the video ends before that.
        """
        with _opened(self.path) as (container, stream):
            pictures = self._from_keyframe(container, stream, float(times_sec[0]))
            last, rgb = -1.0, np.empty(0, np.uint8)
            orientation: Optional[Orientation] = None
            for time, picture in _chosen(pictures, times_sec, self._check_end):
                if time != last:
                    orientation = orientation or Orientation.of(picture)
                    rgb, last = orientation.upright(picture), time
                yield rgb

    def _from_keyframe(self, container: Any, stream: Any, start_sec: float) -> Iterator[Timed]:
        if start_sec > 0 and self.first_pts is not None:
            with suppress(*FAILURES):
                container.seek(self.first_pts + int(start_sec / stream.time_base), stream=stream)
                pictures = self._timed(container, stream)
                first = next(pictures, None)
                if first is not None and first[1].pts is not None and first[0] <= start_sec:
                    return chain([first], pictures)
            # Without a correct index, seeking misses the time: read such a file from the start.
            with suppress(*FAILURES):
                container.seek(0)
        return self._timed(container, stream)

    def _timed(self, container: Any, stream: Any) -> Iterator[Timed]:
        """(seconds since the first frame, picture), with increasing times, as in video.read_video."""
        interval = float(1 / (stream.average_rate or TYPICAL_FPS))
        last: Optional[float] = None
        for picture in container.decode(stream):
            after = 0.0 if last is None else last + interval
            if picture.pts is None or self.first_pts is None:
                time = after
            else:
                time = float((picture.pts - self.first_pts) * picture.time_base)
            last = time if last is None or time > last else after
            yield last, picture

    def _check_end(self, end_sec: float) -> None:
        """Raise VideoError if much less could be read than the header announces."""
        if end_sec < 0.9 * self.duration_sec - 0.5:
            raise VideoError(
                f"{self.path} is incomplete: {end_sec:.2f} of {self.duration_sec:.2f} s could be read; copy it again"
            )


def open_video(path: Union[str, Path]) -> VideoFile:
    """Open a file and check its header and first frame; raises VideoError."""
    path = Path(path)
    with _opened(path) as (container, stream):
        picture = first_picture(container.decode(stream), path)
        timed = picture.pts is not None and picture.time_base is not None
        return VideoFile(path, _duration(container, stream), picture.pts if timed else None)


def _chosen(
    pictures: Iterator[Timed], times_sec: Sequence[float], check_end: Callable[[float], None]
) -> Iterator[Timed]:
    """The nearest picture for each of the increasing times; after the end, the last one."""
    wanted = iter(times_sec)
    time = next(wanted, None)
    before: Optional[Timed] = None
    for picture in pictures:
        while time is not None and picture[0] >= time:
            yield before if before is not None and time - before[0] <= picture[0] - time else picture
            time = next(wanted, None)
        if time is None:
            return
        before = picture
    check_end(before[0] if before else 0.0)
    while time is not None and before is not None:
        yield before
        time = next(wanted, None)


@contextmanager
def _opened(path: Path) -> Iterator[Tuple[Any, Any]]:
    with open_file(path) as (container, stream):
        try:
            yield container, stream
        except FAILURES as error:
            raise VideoError(f"{path} is damaged: {error}; copy it again") from None


def _duration(container: Any, stream: Any) -> float:
    """Announced length; a truncated file of some formats has only the number of frames that it once had."""
    frames = float((stream.frames or 1) / (stream.average_rate or TYPICAL_FPS))
    if stream.duration and stream.time_base:
        return max(frames, float(stream.duration * stream.time_base))
    return max(frames, float((container.duration or 0) / av.time_base))
