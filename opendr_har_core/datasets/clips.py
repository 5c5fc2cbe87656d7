"""Selection of a clip's frames by time, independent of the frame rate of the video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Protocol, Sequence, Union

import numpy as np

from opendr_har_core.errors import ConfigError, VideoError
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.spec import ModelSpec

# Keeps 0.1 * 30 from being 2.9999.
ROUNDING = 1e-6


@dataclass(frozen=True)
class ClipSpec:
    """The clip that a network expects.

    Time is counted in ticks of 1 / train_fps seconds. A clip starts at a tick; its frames are those nearest to start,
    start + stride, start + 2 stride, ...

    Attributes:
        frames: length of the clip.
        stride: ticks from one of its frames to the next.
        train_fps: ticks per second, in Hz.
        image_size: side of the square input, in pixels.
    """

    frames: int
    stride: int
    train_fps: float
    image_size: int

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "image_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} is {value!r}, expected a whole number, 1 or more")
        if not 0 < self.train_fps < float("inf"):
            raise ConfigError(f"train_fps is {self.train_fps!r}, expected a number of frames per second above 0")

    @classmethod
    def of(cls, network: Union[ModelSpec, X3DConfig]) -> ClipSpec:
        """The clip of a network, given its config or spec; for the spec of a CoX3D, one of its temporal window."""
        frames = network.window if isinstance(network, ModelSpec) else network.frames
        return cls(frames, network.stride, network.train_fps, network.image_size)

    @property
    def span_ticks(self) -> int:
        """Ticks from the first frame to the last."""
        return (self.frames - 1) * self.stride

    def ticks_in(self, duration_sec: float) -> int:
        """Number of ticks whose frame lies in a segment of that length, at least one."""
        return max(1, int(duration_sec * self.train_fps + ROUNDING))

    def is_longer_than(self, duration_sec: float) -> bool:
        """Whether a segment of that length is too short for a whole clip."""
        return self.span_ticks >= self.ticks_in(duration_sec)

    def last_start(self, duration_sec: float, step: int = 1) -> int:
        """Last multiple of `step` ticks at which the whole clip fits, 0 for a short segment."""
        room = max(0, self.ticks_in(duration_sec) - 1 - self.span_ticks)
        return room - room % step

    def middle_start(self, duration_sec: float, step: int = 1) -> int:
        """Multiple of `step` ticks that puts the clip in the middle."""
        middle = self.last_start(duration_sec) // 2
        return middle - middle % step

    def ticks(self, start: int, duration_sec: float) -> np.ndarray:
        """The ticks of a clip's frames, (frames,) int64; a short segment's last tick is repeated."""
        wanted = start + self.stride * np.arange(self.frames)
        return np.minimum(wanted, self.ticks_in(duration_sec) - 1)

    def seconds(self, ticks: np.ndarray) -> np.ndarray:
        """Ticks as seconds, float64."""
        seconds: np.ndarray = np.asarray(ticks, np.float64) / self.train_fps
        return seconds


class VideoSource(Protocol):
    """Frames in time: a video file, a folder of frames, a topic of a bag, an array."""

    @property
    def name(self) -> str:
        """Name for reports, such as its path."""
        ...

    @property
    def duration_sec(self) -> float:
        """Length in seconds."""
        ...

    def fingerprint(self) -> str:
        """A string that changes when the content does."""
        ...

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """For each of the increasing times since the first frame, the nearest frame: uint8 (H, W, 3) RGB.

        Raises VideoError or ImageError for a frame that can't be read.
        """
        ...


@dataclass(frozen=True)
class Segment:
    """A labelled segment of a source.

    Attributes:
        source: the source of its frames.
        class_id: its class.
        start_sec, duration_sec: start, since the source's first frame, and length.
    """

    source: VideoSource
    class_id: int
    start_sec: float
    duration_sec: float

    @property
    def name(self) -> str:
        """The source's name, with the segment's times if it is not the whole source."""
        if self.start_sec == 0 and self.duration_sec == self.source.duration_sec:
            return self.source.name
        return f"{self.source.name} [{self.start_sec:.2f} s to {self.start_sec + self.duration_sec:.2f} s]"


def whole(class_id: int, source: VideoSource) -> Segment:
    """The segment of a whole source."""
    return Segment(source, class_id, 0.0, source.duration_sec)


def nearest(frame_times: np.ndarray, wanted: Sequence[float]) -> np.ndarray:
    """Indices of the frames nearest to the wanted times, (T,) int64, the earlier on a tie; `frame_times` increase."""
    after = np.clip(np.searchsorted(frame_times, wanted), 1, max(1, len(frame_times) - 1))
    if len(frame_times) == 1:
        return np.zeros(len(wanted), np.int64)
    wanted_times = np.asarray(wanted, np.float64)
    earlier = wanted_times - frame_times[after - 1] <= frame_times[after] - wanted_times
    indices: np.ndarray = np.where(earlier, after - 1, after)
    return indices


def file_fingerprint(path: Path) -> str:
    """Path, size and modification time of a file; raises VideoError if it does not exist."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError for a name with a zero byte
        raise VideoError(f"{path} can't be read: {error}") from None
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
