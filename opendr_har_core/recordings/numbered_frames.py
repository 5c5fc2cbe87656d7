"""The frames of a video file or bag by their number, in any order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Deque, Iterator, List, Optional, Tuple, Union

from opendr_har_core.errors import ImageError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.containers import FAILURES, Orientation, first_picture, open_file
from opendr_har_core.media.video import rising_stamps
from opendr_har_core.recordings.bag_reader import Unreadable, open_images
from opendr_har_core.recordings.label_video import is_bag, open_recording
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
        self._path, self._topic = path, topic
        self._stack = ExitStack()
        self._thread = ThreadPoolExecutor(1, "frames")
        try:
            self._frames = self._thread.submit(self._open).result()
        except BaseException:
            self.close()
            raise
        stamps = self._frames.stamps_ns
        self.times_ns = [stamp - stamps[0] for stamp in stamps]
        self.duration_ns = self.times_ns[-1] + self._step_ns

    def read(self, number: int) -> Frame:
        """The frame with a number, stamped by `times_ns`; raises VideoError if it can't be read."""
        if not 0 <= number < len(self.times_ns):
            raise VideoError(f"{self._path} has no frame {number}: they are 0 to {len(self.times_ns) - 1}")
        return Frame(self._thread.submit(self._frames.rgb, number).result(), self.times_ns[number])

    def close(self) -> None:
        """Close the recording."""
        self._thread.submit(self._stack.close).result()
        self._thread.shutdown()

    def _open(self) -> Union[_BagFrames, _VideoFrames]:
        with open_recording(self._path, self._topic, Unreadable()) as video:
            self._step_ns = round(NANOSECONDS / video.info.fps)
        return (_BagFrames if is_bag(self._path) else _VideoFrames)(self._path, self._topic, self._stack)


class _BagFrames:
    def __init__(self, path: Path, topic: Optional[str], stack: ExitStack) -> None:
        self._images = stack.enter_context(open_images(path, topic))
        self._recorded_ns: List[int] = []
        self.stamps_ns: List[int] = []
        for image in self._images.images():
            with suppress(ImageError):
                stamp_ns = image.read()[1].stamp_ns
                if not self.stamps_ns or stamp_ns > self.stamps_ns[-1]:
                    self.stamps_ns.append(stamp_ns)
                    self._recorded_ns.append(image.recorded_ns)

    def rgb(self, number: int) -> Any:
        recorded_ns = self._recorded_ns[number]
        for image in self._images.images(recorded_ns, recorded_ns + 1):
            try:
                frame = image.read()[1]
                if frame.stamp_ns == self.stamps_ns[number]:
                    return frame.rgb
            except ImageError as error:
                raise VideoError(f"frame {number} can't be shown: {error}") from None
        raise VideoError(f"{self._images.path} has no longer a frame {number}; start again")


class _VideoFrames:
    def __init__(self, path: Path, topic: Optional[str], stack: ExitStack) -> None:
        self._path = path
        self._file = stack.enter_context(ExitStack())
        self._recent: Deque[Tuple[int, Any]] = deque(maxlen=NEAR)
        self._restart()
        first = first_picture(self._pictures, path)
        self._orientation, base = Orientation.of(first), self._stream.time_base
        found: List[Any] = []
        if any(name in self._container.format.name for name in TIMED):
            self._restart()
            with suppress(*FAILURES):
                packets = self._container.demux(self._stream)
                found += (packet.pts for packet in packets if packet.size and not packet.is_discard)
            found = [] if None in found else sorted(pts for pts in found if pts >= first.pts)
        if not found or len(set(found)) < len(found):
            self._restart()
            found = []
            with suppress(*FAILURES):  # of a damaged file, what comes before
                found += (picture.pts for picture in self._pictures)
        self._restart()
        # None for a file without times, or with times that occur twice: it is read from the start.
        self._pts: Optional[List[int]] = None if None in found or len(set(found)) < len(found) else found
        self._numbers = {pts: number for number, pts in enumerate(self._pts or ())}
        stamp = rising_stamps(self._stream)
        self.stamps_ns = [stamp(None if pts is None else round(pts * base * NANOSECONDS)) for pts in found]

    def rgb(self, number: int) -> Any:
        picture = dict(self._recent).get(number)
        try:
            if picture is None and not self._at < number <= self._at + NEAR:
                self._seek(number)
            picture = picture or self._forward(number)
            if picture is None:  # the index of some files leads too far
                self._restart()
                picture = self._forward(number)
        except FAILURES as error:
            raise VideoError(f"frame {number} of {self._path} can't be decoded: {error}") from None
        if picture is None:
            raise VideoError(f"frame {number} of {self._path} can't be decoded")
        return self._orientation.upright(picture)

    def _restart(self) -> None:
        self._file.close()
        self._container, self._stream = self._file.enter_context(open_file(self._path))
        self._pictures: Iterator[Any] = self._container.decode(self._stream)
        self._at = -1

    def _seek(self, number: int) -> None:
        if self._pts is None:
            self._restart()
            return
        # Frames that are stored after a keyframe and shown before it may need the keyframe before.
        early = max(2, int(getattr(self._stream.codec_context, "has_b_frames", 0) or 0))
        self._container.seek(self._pts[max(0, number - early)], stream=self._stream)
        self._pictures = self._container.decode(self._stream)
        self._at = -1

    def _forward(self, number: int) -> Any:
        for picture in self._pictures:
            at = self._at + 1 if self._pts is None else self._numbers.get(picture.pts)
            if at is not None:
                self._at = at
                self._recent.append((at, picture))
                if at >= number:
                    return picture if at == number else None
        return None
