"""A folder for each class, with videos or folders of frames in it."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

from opendr_har_core.datasets import frame_folder
from opendr_har_core.datasets.base import ClipDataset, Skipped, Transform
from opendr_har_core.datasets.cache import ClipCache
from opendr_har_core.datasets.clips import ClipSpec, Segment, whole
from opendr_har_core.datasets.index import open_videos
from opendr_har_core.datasets.names import ClassIds, Labels, label_map
from opendr_har_core.datasets.video_file import SUFFIXES
from opendr_har_core.errors import ConfigError, DataError, ImageError, VideoError
from opendr_har_core.labels import LabelMap


class FolderDataset(ClipDataset):
    """Clips of `path/<class>/<video>` and `path/<class>/<folder of frames>/`; see ClipDataset for what items are."""

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

        Give the training set's `labels` to the others, lest a class that is missing there moves the numbers of those
        after it. `frame_fps` is the rate of folders of frames. Raises LabelError for a folder that is not among the
        labels, DataError when there is nothing to use.
        """
        if not 0 < frame_fps < float("inf"):
            raise ConfigError(f"frame_fps is {frame_fps!r}, expected frames per second above zero")
        root = Path(path)
        folders = _class_folders(root)
        names = LabelMap(folder.name for folder in folders) if labels is None else label_map(labels)
        ids = ClassIds(names)
        class_of = {folder: ids.id(folder.name, folder) for folder in folders}
        cache = ClipCache(cache_folder) if use_caching else None
        segments, skipped = _found(class_of, frame_fps, cache)
        super().__init__(segments, names, clip, train, transform, cache, skipped)


def _class_folders(root: Path) -> List[Path]:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; expected one with a folder for each class in it")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    if not folders:
        raise DataError(f"{root} has no folders in it; expected one for each class, with its videos")
    return folders


def _found(class_of: Dict[Path, int], fps: float, cache: Optional[ClipCache]) -> Tuple[List[Segment], List[Skipped]]:
    segments: List[Segment] = []
    skipped: List[Skipped] = []
    videos: List[Tuple[Path, int]] = []
    for folder, class_id in class_of.items():
        for entry in sorted(path for path in folder.iterdir() if path.name[0] != "."):
            if entry.is_dir():
                try:
                    segments.append(whole(frame_folder.open_folder(entry, fps), class_id))
                except ImageError as error:
                    skipped.append((str(entry), str(error)))
            elif entry.suffix.lower() in SUFFIXES:
                videos.append((entry, class_id))
            else:
                skipped.append((str(entry), f"neither a folder of frames nor a video ({', '.join(SUFFIXES)})"))
    found = open_videos((path for path, _ in videos), cache)
    for (path, class_id), video in zip(videos, found):
        if isinstance(video, VideoError):
            skipped.append((str(path), str(video)))
        else:
            segments.append(whole(video, class_id))
    return segments, skipped
