"""The Kinetics data sets, with the arguments that OpenDR documents."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

from opendr_har_core.datasets.base import ClipDataset, Skipped, Transform, gather
from opendr_har_core.datasets.clips import ClipSpec, whole
from opendr_har_core.datasets.video_file import open_video
from opendr_har_core.errors import ConfigError, DataError, DownloadError
from opendr_har_core.labels import ClassIds, LabelMap, Labels
from opendr_har_core.storage.download import Progress, fetch
from opendr_har_core.storage.reading import read_text

SERVER = "ftp://opendrdata.csd.auth.gr/perception/activity_recognition/datasets"
MINI_URL = f"{SERVER}/kinetics400mini.zip"
MICRO_URL = f"{SERVER}/kinetics3.zip"
FPS = 30.0
BACKENDS = ("pyav",)
PARTS = ("data", "splits")
# Kinetics-700 has 100 MB.
LARGEST_SPLIT = 256 << 20
MAX_FILES = 100_000
MAX_BYTES = 32 << 30
SPLITS = {"train": "train", "val": "validate", "validate": "validate", "test": "test"}


class KineticsDataset(ClipDataset):
    """One clip of each video that `path`/splits/<split>.json lists.

    The videos are `path`/data/<subset>/<label>/<id>_<start>_<end>.mp4 and are sampled at 30 Hz, whatever their own rate
    is: a clip has `frames_per_clip` frames, `temporal_downsampling` thirtieths of a second apart (X3D-XS 4 and 12, S 13
    and 6, M and L 16 and 5). It starts at a multiple of `step_between_clips` thirtieths of a second: the split "train"
    takes a random start each time, the others the middle one. `len` is the number of videos. See ClipDataset for items
    and for videos that can't be decoded.
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

        Class ids are those of Kinetics-400, or of `labels` (names, or a CSV with the header `id,name`), which
        Kinetics-600 and 700 need. `use_caching` keeps decoded frames in `cache_folder`.

        Raises ConfigError for a value that is not allowed, LabelError for a label that is not in the list, DataError
        for annotations that can't be read or when there is no usable video.
        """
        if decoder_backend not in BACKENDS:
            raise ConfigError(f"decoder_backend is {decoder_backend!r}, expected one of {BACKENDS}")
        if split not in SPLITS:
            raise ConfigError(f"split is {split!r}, expected one of {sorted(SPLITS)}")
        clip = ClipSpec(frames_per_clip, temporal_downsampling, FPS, spatial_pixels)
        names = LabelMap.kinetics400() if labels is None else LabelMap.of(labels)
        videos, unlabelled, absent = listed(Path(path), SPLITS[split], ClassIds(names))
        segments, skipped = gather([(file, partial(whole, class_id)) for file, class_id in videos], open_video)
        super().__init__(
            segments,
            names,
            clip,
            train=split == "train",
            transform=video_transform,
            use_caching=use_caching,
            cache_folder=cache_folder,
            skipped=[*unlabelled, *skipped],
            absent=absent,
            start_step=step_between_clips,
        )

    @staticmethod
    def download_mini(path: Union[str, Path], url: str = MINI_URL, progress: Optional[Progress] = None) -> Path:
        """Download one video of each class of Kinetics-400 into the folder `path`; returns the data set's folder.

        This is `path`/kinetics400mini, as in OpenDR, or `path` if the archive has no top folder. An existing data set
        is kept. An interrupted download resumes over HTTP and starts again over FTP, as from the default server.
        Raises DownloadError.
        """
        return _download(Path(path), url, progress)

    @staticmethod
    def download_micro(path: Union[str, Path], url: str = MICRO_URL, progress: Optional[Progress] = None) -> Path:
        """Download one video of each of the first three classes into `path`/kinetics3; see download_mini."""
        return _download(Path(path), url, progress)


def _download(path: Path, url: str, progress: Optional[Progress]) -> Path:
    name = Path(url.rpartition("/")[2]).stem or "kinetics"
    for folder in (path, path / name):
        if _is_data_set(folder):
            return folder
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"the folder {path} can't be created: {error}") from None
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
            f"check {path}"
        )
    return found[0]


def _is_data_set(folder: Path) -> bool:
    return all((folder / part).is_dir() for part in PARTS)


def unpack_zip(
    archive: Union[str, Path], target: Union[str, Path], max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES
) -> List[str]:
    """Unpack a zip archive into the folder `target`, completely or not at all; returns the names of the new entries.

    Raises DownloadError for a damaged or encrypted archive, one of more than `max_bytes` unpacked or `max_files`
    entries, one with links or with paths outside of the target, and for a name that exists in the target.
    """
    archive, target = Path(archive), Path(target)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking.", dir=target) as aside:
        try:
            with zipfile.ZipFile(archive) as file:
                _check_archive(file, archive, max_bytes, max_files)
                file.extractall(aside)  # reads no more of an entry than the size that it announces
        except DownloadError:
            raise
        except Exception as error:  # the decompressors raise errors of their own
            raise DownloadError(f"{archive} can't be unpacked into {target}: {repr(error)[:300]}") from None
        entries = list(Path(aside).iterdir())
        taken = [entry.name for entry in entries if (target / entry.name).exists()]
        if taken:
            raise DownloadError(f"{target} contains {taken} already; remove them or choose another folder")
        for entry in entries:
            entry.replace(target / entry.name)
    return [entry.name for entry in entries]


def _check_archive(file: zipfile.ZipFile, archive: Path, max_bytes: int, max_files: int) -> None:
    entries = file.infolist()
    size = sum(entry.file_size for entry in entries)
    if len(entries) > max_files or size > max_bytes:
        raise DownloadError(
            f"{archive} has {len(entries)} files of {size} bytes, over the limits of {max_files} and {max_bytes}"
        )
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or ":" in name or not name.strip("/."):
            raise DownloadError(f"{archive} is not safe: {entry.filename!r} lies outside of the folder")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DownloadError(f"{archive} is not safe: {entry.filename!r} is a link or a device, not a file")


def listed(root: Path, split: str, ids: ClassIds) -> Tuple[List[Tuple[Path, int]], List[Skipped], int]:
    """Videos that `root`/splits/`split`.json lists: (path, class id) on disk, those without a label, number of others.

    Raises DataError for a missing or malformed file, LabelError for a label that is not in the list of classes.
    """
    file = root / "splits" / f"{split}.json"
    videos: List[Tuple[Path, int]] = []
    unlabelled: List[Skipped] = []
    absent = 0  # many are no longer online
    for key, entry in _annotations(file).items():
        subset, label, start, end = _fields(file, key, entry)
        name = f"{key}_{start:06d}_{end:06d}.mp4"
        if not label:
            unlabelled.append((name, "has no label"))
            continue
        class_id = ids.id(label, f"{file}, {key!r}")
        spellings = (root / "data" / subset / folder / name for folder in (label, label.replace(" ", "_")))
        path = next((path for path in spellings if os.path.isfile(path)), None)  # noqa: PTH113 - False for any error
        if path is None:
            absent += 1
        else:
            videos.append((path, class_id))
    return videos, unlabelled, absent


def _annotations(file: Path) -> Dict[str, Any]:
    try:
        entries = json.loads(read_text(file, LARGEST_SPLIT))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"can't read the annotations {file}: {error}") from None
    if not isinstance(entries, dict):
        raise DataError(f"{file} holds a {type(entries).__name__}, expected an object with video ids as keys")
    return entries


def _fields(file: Path, key: str, entry: Any) -> Tuple[str, str, int, int]:
    """(subset, label, start, end) of one entry; raises DataError for names that lead outside of the folder."""
    try:
        subset, annotations = str(entry["subset"]), entry["annotations"]
        label = str(annotations.get("label") or "")
        start, end = (int(float(second)) for second in annotations["segment"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise DataError(
            f'{file}: expected {key!r}: {{"subset": ..., "annotations": {{"label": ..., "segment": [start, end]}}}}, '
            f"got {str(entry)[:200]}"
        ) from None
    for name in (key, subset, label):
        if "/" in name or "\\" in name or "\0" in name or name in ("..", "."):
            raise DataError(f"{file}: {key!r} contains the name {name!r}, which can't be that of a file or folder")
    return subset, label, start, end
