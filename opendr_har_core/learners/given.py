"""What users give to a learner's methods, checked before any work begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.labels import LabelMap

DATASET = ("labels", "targets", "__len__", "__getitem__")


def checked_path(path: Any) -> Path:
    """`path` with the home folder in place of ~; raises ConfigError for what can't be a path."""
    if not isinstance(path, (str, os.PathLike)) or "\0" in str(path):
        raise ConfigError(f"the path is {path!r}, expected a string or a pathlib.Path")
    return Path(path).expanduser()


def dataset_labels(dataset: Any, role: str) -> LabelMap:
    """The class names of a data set; raises DataError for what is none, LabelError for names that can't be used."""
    missing = [name for name in DATASET if not hasattr(dataset, name)]
    if missing:
        raise DataError(
            f"the {role} data are a {type(dataset).__name__} without {missing}; expected a data set such as "
            f"FolderDataset: labels (class names), targets (a class id for each clip), len() and items (clip, class id)"
        )
    return LabelMap(dataset.labels)
