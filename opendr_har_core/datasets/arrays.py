"""Videos in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

import numpy as np

from opendr_har_core.datasets.base import ClipDataset, Transform
from opendr_har_core.datasets.clips import ClipSpec, nearest, whole
from opendr_har_core.datasets.names import Labels, label_map
from opendr_har_core.errors import ConfigError, DataError


@dataclass(frozen=True, eq=False)
class ArrayVideo:
    """VideoSource of uint8 (T, H, W, 3) RGB frames at a constant rate.

    Attributes:
        pixels: the frames.
        fps: frames per second.
        name: its name in reports.
    """

    pixels: np.ndarray
    fps: float
    name: str

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            raise DataError(f"{self.name} must be a uint8 NumPy array, got {getattr(pixels, 'dtype', type(pixels))}")
        if pixels.ndim != 4 or pixels.shape[3] != 3 or 0 in pixels.shape:
            raise DataError(f"{self.name} must have shape (T, H, W, 3) without an empty dimension, got {pixels.shape}")
        if not 0 < self.fps < float("inf"):
            raise ConfigError(f"fps is {self.fps!r}, expected a number of frames per second above 0")

    @property
    def duration_sec(self) -> float:
        """Length in seconds."""
        return len(self.pixels) / self.fps

    def fingerprint(self) -> str:
        """Arrays are not cached."""
        return self.name

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """See VideoSource.frames."""
        return iter(self.pixels[nearest(np.arange(len(self.pixels)) / self.fps, times_sec)])


class ArrayDataset(ClipDataset):
    """Clips of uint8 videos in memory; see ClipDataset for items."""

    def __init__(
        self,
        videos: Sequence[np.ndarray],
        targets: Sequence[int],
        labels: Labels,
        clip: ClipSpec,
        transform: Optional[Transform] = None,
        *,
        train: bool = False,
        fps: float = 30.0,
    ) -> None:
        """`videos` are uint8 (T, H, W, 3) at `fps`, `targets` their class ids in `labels`.

        Raises DataError for other arrays, an id without a class, or when there are no videos.
        """
        names = label_map(labels)
        if len(videos) != len(targets):
            raise DataError(f"{len(videos)} videos and {len(targets)} targets, expected one target for each video")
        for target in targets:
            if not 0 <= int(target) < len(names):
                raise DataError(f"the class id {target} is not among the {len(names)} classes 0..{len(names) - 1}")
        segments = [
            whole(ArrayVideo(video, fps, f"video {index}"), int(target))
            for index, (video, target) in enumerate(zip(videos, targets))
        ]
        super().__init__(segments, names, clip, train, transform)
