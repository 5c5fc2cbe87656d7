"""The frames of a video file or bag by their number, in any order."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, Callable, Deque, Iterable, Iterator, List, Optional, Sequence, Tuple

from opendr_har_core.errors import ImageError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.containers import FAILURES, Orientation, first_picture, open_file
from opendr_har_core.media.video import rising_stamps
from opendr_har_core.recordings.bag_reader import ImageTopic, Unreadable, open_images, stamped
from opendr_har_core.recordings.label_video import open_recording
from opendr_har_core.recordings.sources import is_bag
from opendr_har_core.spec import NANOSECONDS

# Containers that store when each frame is shown; in others, only decoding tells.
TIMED = ("mov", "matroska")
# Decoding so many frames costs less than to seek; as many are kept, for steps back.
NEAR = 16


class NumberedFrames:
    """Frames of a recording, read in a thread of its own, which the databases of bags require.

    Attributes:
        times_ns: rising, from 0 on, as `label_video` counts them. Images of a bag that can't be read, or are not later
            than the one before, have no number.
        duration_ns: time of the last frame and one frame interval.
    """

    def __init__(self, path: Path, topic: Optional[str] = None) -> None:
        """Open and index a recording; raises VideoError if that fails, ConfigError without rosbags."""
        self._path = path
        self._stack = ExitStack()
        self._thread, self._closed = ThreadPoolExecutor(1, "frames"), threading.Event()
        try:
            stamps = self._thread.submit(self._open, topic).result()
        except BaseException:
            self.close()
            raise
        self.times_ns = [stamp - stamps[0] for stamp in stamps]
        self.duration_ns = self.times_ns[-1] + self._step_ns

    def read(self, number: int) -> Frame:
        """The frame with a number, stamped by `times_ns`; raises VideoError if it can't be read."""
        if not 0 <= number < len(self.times_ns):
            raise VideoError(f"{self._path} has no frame {number}: they are 0 to {len(self.times_ns) - 1}")
        rgb = self._thread.submit(self._find, number).result()
        if rgb is None:
            raise VideoError(f"frame {number} of {self._path} can't be read")
        return Frame(rgb, self.times_ns[number])

    def close(self) -> None:
        """Close the recording."""
        self._closed.set()
        self._thread.submit(self._stack.close).result()
        self._thread.shutdown()

    def _open(self, topic: Optional[str]) -> Sequence[int]:
        with open_recording(self._path, topic, Unreadable()) as video:
            self._step_ns = round(NANOSECONDS / video.info.fps)
        self._find: Callable[[int], Any]
        if is_bag(self._path):
            images = self._stack.enter_context(open_images(self._path, topic))
            stamps = _rising(self._until_closed(stamped(images)))
            self._find = lambda number: _image(images, *stamps[number])
            return [stamp for _, stamp in stamps]
        file = _VideoFile(self._path, self._stack.enter_context(ExitStack()), self._until_closed)
        self._find = file.find
        return file.stamps_ns

    def _until_closed(self, items: Iterable[Any]) -> Iterator[Any]:
        """Ctrl-C ends the indexing, which takes minutes for large recordings."""
        return takewhile(lambda _: not self._closed.is_set(), items)


def _rising(stamps: Iterable[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Those that are later than the one before."""
    found: List[Tuple[int, int]] = []
    for recorded_ns, stamp_ns in stamps:
        if not found or stamp_ns > found[-1][1]:
            found.append((recorded_ns, stamp_ns))
    return found


def _image(images: ImageTopic, recorded_ns: int, stamp_ns: int) -> Any:
    for image in images.images(recorded_ns, recorded_ns + 1):
        with suppress(ImageError):
            frame = image.read()[1]
            if frame.stamp_ns == stamp_ns:
                return frame.rgb
    return None


class _VideoFile:
    def __init__(self, path: Path, stack: ExitStack, until_closed: Callable[[Iterable[Any]], Iterator[Any]]) -> None:
        self._path, self._stack = path, stack
        self._recent: Deque[Tuple[int, Any]] = deque(maxlen=NEAR)
        self._restart()
        first = first_picture(self._pictures, path)
        self._orientation, base = Orientation.of(first), self._stream.time_base
        found: List[Any] = []
        if any(name in self._container.format.name for name in TIMED):
            self._restart()
            with suppress(*FAILURES):  # of a damaged file, what comes before; early PyAV has no `is_discard`
                packets = until_closed(self._container.demux(self._stream))
                found += (p.pts for p in packets if p.size and not getattr(p, "is_discard", False))
            found = [] if None in (first.pts, *found) else sorted(pts for pts in found if pts >= first.pts)
        if not found or len(set(found)) < len(found):
            self._restart()
            found = []
            with suppress(*FAILURES):
                found += (picture.pts for picture in until_closed(self._pictures))
        self._restart()
        # Without times, or with times that occur twice, a file is read from its start.
        self._pts: Sequence[int] = () if None in found or len(set(found)) < len(found) else found
        self._numbers = {pts: number for number, pts in enumerate(self._pts)}
        stamp = rising_stamps(self._stream)
        self.stamps_ns = [stamp(None if pts is None else round(pts * base * NANOSECONDS)) for pts in found]

    def find(self, number: int) -> Any:
        """The picture with a number; None if it can't be decoded."""
        picture = dict(self._recent).get(number)
        with suppress(*FAILURES):
            if picture is None and not self._at < number <= self._at + NEAR:
                self._seek(number)
            picture = picture or self._forward(number)
            if picture is None:  # the index of some files leads too far
                self._restart()
                picture = self._forward(number)
        return None if picture is None else self._orientation.upright(picture)

    def _restart(self) -> None:
        self._stack.close()
        self._container, self._stream = self._stack.enter_context(open_file(self._path))
        self._pictures: Iterator[Any] = self._container.decode(self._stream)
        self._at = -1

    def _seek(self, number: int) -> None:
        if not self._pts:
            self._restart()
            return
        # Frames that are stored after a keyframe and shown before it may need the keyframe before.
        early = max(2, int(getattr(self._stream.codec_context, "has_b_frames", 0) or 0))
        self._container.seek(self._pts[max(0, number - early)], stream=self._stream)
        self._pictures = self._container.decode(self._stream)
        self._at = -1

    def _forward(self, number: int) -> Any:
        for picture in self._pictures:
            at = self._numbers.get(picture.pts) if self._pts else self._at + 1
            if at is not None:
                self._at = at
                self._recent.append((at, picture))
                if at >= number:
                    return picture if at == number else None
        return None
