"""A folder of pictures as a video."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple, Union

import cv2
import numpy as np

from opendr_har_core.datasets.clips import nearest
from opendr_har_core.errors import ImageError
from opendr_har_core.media.pictures import read_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp")


@dataclass(frozen=True)
class FrameFolder:
    """Pictures of one size, in the order of the numbers in their names, at a constant rate.

    Attributes:
        path: the folder.
        files: names of the pictures.
        fps: how many there are to a second.
    """

    path: Path
    files: Tuple[str, ...]
    fps: float

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def duration_sec(self) -> float:
        """Length in seconds."""
        return len(self.files) / self.fps

    def fingerprint(self) -> str:
        """Changes when a picture comes, goes or is replaced."""
        try:
            changed = max(path.stat().st_mtime_ns for path in (self.path, *map(self.path.joinpath, self.files)))
        except OSError as error:
            raise ImageError(f"{self.path} can't be read: {error}") from None
        return f"{self.path.resolve()}|{len(self.files)}|{self.fps}|{changed}"

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """See Source.frames."""
        last, rgb = -1, np.empty(0, np.uint8)
        for index in nearest(np.arange(len(self.files)) / self.fps, times_sec).tolist():
            if index != last:
                rgb, last = _read(self.path / self.files[index]), index
            yield rgb


def pictures_in(folder: Path) -> List[str]:
    """Names of the pictures in a folder, frame_9 before frame_10."""
    names = [path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    return sorted(names, key=_by_numbers)


def open_folder(path: Path, fps: float) -> FrameFolder:
    """Check a folder as far as that is cheap: its first picture. Raises ImageError."""
    files = pictures_in(path)
    if not files:
        raise ImageError(f"{path} has no pictures; expected files that end in one of {SUFFIXES}")
    _read(path / files[0])
    return FrameFolder(path, tuple(files), fps)


def _by_numbers(name: str) -> List[Tuple[int, Union[int, str]]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]


def _read(path: Path) -> np.ndarray:
    rgb: np.ndarray = cv2.cvtColor(read_picture(path), cv2.COLOR_BGR2RGB)
    return rgb
