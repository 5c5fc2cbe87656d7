"""Folders with a subfolder of videos, or of folders of frames, for each class."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from opendr_har_core.datasets.base import ClipDataset, Transform, gather
from opendr_har_core.datasets.clips import ClipSpec, VideoSource, nearest, whole
from opendr_har_core.datasets.video_file import open_video
from opendr_har_core.errors import ConfigError, DataError, ImageError
from opendr_har_core.labels import ClassIds, LabelMap, Labels
from opendr_har_core.media.pictures import read_picture
from opendr_har_core.media.video import SUFFIXES
from opendr_har_core.teaching.lessons import label_of

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp")


class FolderDataset(ClipDataset):
    """Clips of `path/<class>/<video>` and `path/<class>/<folder of frames>/`; see ClipDataset for items."""

    def __init__(
        self,
        path: Union[str, Path],
        clip: ClipSpec,
        *,
        train: bool = False,
        labels: Optional[Labels] = None,
        transform: Optional[Transform] = None,
        frame_fps: float = 30.0,
        use_caching: bool = False,
        cache_folder: Optional[Union[str, Path]] = None,
    ) -> None:
        """Without `labels` the classes are the folders' names, sorted.

        Give the training set's `labels` to the other sets; otherwise a class that is missing there shifts the ids of
        the classes after it. `frame_fps` is the rate of folders of frames. Raises LabelError for a folder that is not
        in `labels`, DataError when there is no usable clip.
        """
        if not 0 < frame_fps < float("inf"):
            raise ConfigError(f"frame_fps is {frame_fps!r}, expected frames per second above zero")
        root = Path(path)
        folders = _class_folders(root)
        names = LabelMap(map(label_of, folders)) if labels is None else LabelMap.of(labels)
        ids = ClassIds(names)
        wanted = [
            (entry, partial(whole, ids.id(label_of(folder), folder)))
            for folder in folders
            for entry in sorted(folder.iterdir())
            if entry.name[0] != "."
        ]
        segments, skipped = gather(wanted, partial(_open, fps=frame_fps))
        super().__init__(
            segments,
            names,
            clip,
            train=train,
            transform=transform,
            use_caching=use_caching,
            cache_folder=cache_folder,
            skipped=skipped,
        )


def _class_folders(root: Path) -> List[Path]:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; expected one that contains a folder for each class")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    if not folders:
        raise DataError(f"{root} contains no folders; expected one for each class, with its videos")
    return folders


def _open(path: Path, fps: float) -> VideoSource:
    if path.is_dir():
        return open_folder(path, fps)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"neither a folder of frames nor a video ({', '.join(SUFFIXES)})")
    return open_video(path)


@dataclass(frozen=True)
class FrameFolder:
    """VideoSource of a folder of images of one size, ordered by the numbers in their names, at a constant rate.

    Attributes:
        path: the folder.
        files: names of the images.
        fps: images per second.
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
        """Changes when an image is added, removed or replaced."""
        try:
            changed = max(path.stat().st_mtime_ns for path in (self.path, *map(self.path.joinpath, self.files)))
        except OSError as error:
            raise ImageError(f"{self.path} can't be read: {error}") from None
        return f"{self.path.resolve()}|{len(self.files)}|{self.fps}|{changed}"

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """See VideoSource.frames."""
        last, rgb = -1, np.empty(0, np.uint8)
        for index in nearest(np.arange(len(self.files)) / self.fps, times_sec).tolist():
            if index != last:
                rgb, last = _read(self.path / self.files[index]), index
            yield rgb


def open_folder(path: Path, fps: float) -> FrameFolder:
    """Open a folder and check its first image; raises ImageError."""
    names = [file.name for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "."]
    files = sorted(names, key=_by_numbers)
    if not files:
        raise ImageError(f"{path} contains no images; expected files that end in one of {IMAGE_SUFFIXES}")
    _read(path / files[0])
    return FrameFolder(path, tuple(files), fps)


def _by_numbers(name: str) -> List[Tuple[int, Union[int, str]]]:
    """Sorts frame_9 before frame_10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]


def _read(path: Path) -> np.ndarray:
    rgb: np.ndarray = cv2.cvtColor(read_picture(path), cv2.COLOR_BGR2RGB)
    return rgb
