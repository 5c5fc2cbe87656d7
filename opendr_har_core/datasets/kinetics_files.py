"""How the Kinetics data sets lie on disk: what their annotations name, and where it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from opendr_har_core.datasets.names import ClassIds
from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.storage.reading import read_text

# Kinetics-700 has 100 MB.
LARGEST_SPLIT = 256 << 20
SPLITS = {"train": "train", "val": "validate", "validate": "validate", "test": "test"}


@dataclass(frozen=True)
class Listed:
    """What an annotation file names.

    Attributes:
        videos: (path, class id) of those that are on disk.
        absent: how many are not: videos vanish from where Kinetics points to.
        unlabelled: names of those without a label, as in some test splits.
    """

    videos: Tuple[Tuple[Path, int], ...]
    absent: int
    unlabelled: Tuple[str, ...]


def split_name(split: str) -> str:
    """The name of a split's annotation file, without suffix; raises ConfigError."""
    if split not in SPLITS:
        raise ConfigError(f"split is {split!r}, expected one of {sorted(SPLITS)}")
    return SPLITS[split]


def listed(root: Path, split: str, ids: ClassIds) -> Listed:
    """What `root`/splits/`split`.json names, below `root`/data.

    Raises DataError for a file that is missing or malformed, LabelError for a label outside of the class list.
    """
    file = root / "splits" / f"{split}.json"
    folders = _Folders(root / "data")
    videos: List[Tuple[Path, int]] = []
    unlabelled: List[str] = []
    absent = 0
    for key, entry in _annotations(file).items():
        subset, label, start, end = _fields(file, key, entry)
        name = f"{key}_{start:06d}_{end:06d}.mp4"
        if not label:
            unlabelled.append(name)
            continue
        class_id = ids.id(label, f"{file}, {key!r}")
        path = folders.find(subset, label, name)
        if path is None:
            absent += 1
        else:
            videos.append((path, class_id))
    return Listed(tuple(videos), absent, tuple(unlabelled))


class _Folders:
    """Finds files by listing each folder once, which is what a slow disk can bear."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._names: Dict[Path, Dict[str, Path]] = {}

    def find(self, subset: str, label: str, name: str) -> Optional[Path]:
        for spelling in dict.fromkeys((label, label.replace(" ", "_"))):
            path = self._listing(self._data / subset / spelling).get(name)
            if path is not None:
                return path
        return None

    def _listing(self, folder: Path) -> Dict[str, Path]:
        if folder not in self._names:
            try:
                self._names[folder] = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
            except OSError as error:  # closed to us, or a label that is too long for a folder's name
                raise DataError(f"the folder {str(folder)[:300]} can't be read: {error.strerror}") from None
        return self._names[folder]


def _annotations(file: Path) -> Dict[str, Any]:
    try:
        entries = json.loads(read_text(file, LARGEST_SPLIT))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"can't read the annotations {file}: {error}") from None
    if not isinstance(entries, dict):
        raise DataError(f"{file} holds a {type(entries).__name__}, expected an object with a video's id for each key")
    return entries


def _fields(file: Path, key: str, entry: Any) -> Tuple[str, str, int, int]:
    """(subset, label, start, end) of one entry; names that would lead out of the folder are refused."""
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
            raise DataError(f"{file}: {key!r} has the name {name!r} in it, which can't be that of a file or folder")
    return subset, label, start, end
