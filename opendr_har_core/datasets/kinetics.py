"""The Kinetics data sets, as OpenDR documents them."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Union

from opendr_har_core.datasets.archives import unpack_zip
from opendr_har_core.datasets.base import ClipDataset, Skipped, Transform
from opendr_har_core.datasets.cache import ClipCache
from opendr_har_core.datasets.clips import ClipSpec, Segment, whole
from opendr_har_core.datasets.index import open_videos
from opendr_har_core.datasets.kinetics_files import listed, split_name
from opendr_har_core.datasets.names import ClassIds, Labels, label_map
from opendr_har_core.errors import ConfigError, DownloadError, VideoError
from opendr_har_core.labels import LabelMap
from opendr_har_core.storage.download import Progress, fetch

SERVER = "ftp://opendrdata.csd.auth.gr/perception/activity_recognition/datasets"
MINI_URL = f"{SERVER}/kinetics400mini.zip"
MICRO_URL = f"{SERVER}/kinetics3.zip"
FPS = 30.0
BACKENDS = ("pyav",)
PARTS = ("data", "splits")


class KineticsDataset(ClipDataset):
    """One clip of each video that `path`/splits/<split>.json names.

    The videos are `path`/data/<subset>/<label>/<id>_<start>_<end>.mp4, and are taken as 30 frames per second, whatever
    they have: a clip is `frames_per_clip` frames that are `temporal_downsampling` thirtieths of a second apart (X3D's
    own: XS 4 and 12, S 13 and 6, M and L 16 and 5). It may start at every `step_between_clips`-th of these frames at
    which it fits: the split "train" draws one of those starts at random each time, the others take the middle one. So
    `len` is the number of videos. See ClipDataset for what items are, and for videos that can't be decoded.
    """

    def __init__(
        self,
        path: Union[str, Path],
        frames_per_clip: int,
        step_between_clips: int = 1,
        temporal_downsampling: int = 1,
        split: str = "train",
        video_transform: Optional[Transform] = None,
        use_caching: bool = False,
        decoder_backend: str = "pyav",
        spatial_pixels: int = 224,
        *,
        labels: Optional[Labels] = None,
        cache_folder: Optional[Union[str, Path]] = None,
    ) -> None:
        """`split` is train, val (or validate) or test; `spatial_pixels` the side S of the default transform's clips.

        Class ids are those of Kinetics-400, or of `labels`: names, or a CSV with the header `id,name`; give that for
        Kinetics-600 and 700. `use_caching` keeps decoded frames, and what files were found to be, in `cache_folder`.

        Raises ConfigError for a value that is not allowed, LabelError for a label that is not in the list, DataError
        for annotations that can't be read or when no video is left.
        """
        if decoder_backend not in BACKENDS:
            raise ConfigError(f"decoder_backend is {decoder_backend!r}, expected one of {BACKENDS}")
        split = split_name(split)
        clip = ClipSpec(frames_per_clip, temporal_downsampling, FPS, spatial_pixels)
        names = LabelMap.kinetics400() if labels is None else label_map(labels)
        found = listed(Path(path), split, ClassIds(names))
        cache = ClipCache(cache_folder) if use_caching else None
        segments: List[Segment] = []
        skipped: List[Skipped] = [(name, "has no label") for name in found.unlabelled]
        for (file, class_id), video in zip(found.videos, open_videos((file for file, _ in found.videos), cache)):
            if isinstance(video, VideoError):
                skipped.append((str(file), str(video)))
            else:
                segments.append(whole(video, class_id))
        super().__init__(
            segments, names, clip, split == "train", video_transform, cache, skipped, found.absent, step_between_clips
        )

    @staticmethod
    def download_mini(path: Union[str, Path], url: str = MINI_URL, progress: Optional[Progress] = None) -> Path:
        """Fetch one video of each class of Kinetics-400 into the folder `path`; returns the data set's own folder.

        That is `path`/kinetics400mini, as in OpenDR, or `path` where an archive has no top folder. What is there
        already is kept. An interrupted download resumes over HTTP; over FTP, as from the default server, it starts
        again. Raises DownloadError.
        """
        return _download(Path(path), url, progress)

    @staticmethod
    def download_micro(path: Union[str, Path], url: str = MICRO_URL, progress: Optional[Progress] = None) -> Path:
        """Fetch one video of each of the first three classes into `path`/kinetics3; see download_mini."""
        return _download(Path(path), url, progress)


def _download(path: Path, url: str, progress: Optional[Progress]) -> Path:
    name = Path(url.rpartition("/")[2]).stem or "kinetics"
    for folder in (path, path / name):
        if _is_data_set(folder):
            return folder
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"the folder {path} can't be made: {error}") from None
    archive = path / f"{name}.zip"
    if not archive.exists():
        fetch(url, archive, progress)
    try:
        unpacked = unpack_zip(archive, path)
    finally:
        archive.unlink()
    found = [folder for folder in (path, *(path / entry for entry in unpacked)) if _is_data_set(folder)]
    if len(found) != 1:
        raise DownloadError(
            f"{url} has {len(found)} data sets in it, expected the folders {PARTS} at its top or in one top folder; "
            f"look into {path}"
        )
    return found[0]


def _is_data_set(folder: Path) -> bool:
    return all((folder / part).is_dir() for part in PARTS)
