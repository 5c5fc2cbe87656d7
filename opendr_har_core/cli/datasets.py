"""Data options of `opendr-har train` and `eval`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from opendr_har_core.cli.options import add_folder, add_labels, add_settings
from opendr_har_core.errors import ConfigError
from opendr_har_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from opendr_har_core.datasets.base import ClipDataset, Transform
    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.labels import LabelMap

TABLE = ".csv"


def open_dataset(
    path: str,
    clip: ClipSpec,
    labels: Optional[LabelMap],
    options: argparse.Namespace,
    train: bool,
    transform: Optional[Transform] = None,
) -> ClipDataset:
    """Open a folder with a folder of videos per class, or a CSV `path,start,end,label`."""
    from opendr_har_core.datasets.annotations import AnnotationDataset
    from opendr_har_core.datasets.folder import FolderDataset

    common: Any = {
        "train": train,
        "transform": transform,
        "use_caching": options.cache is not None,
        "cache_folder": options.cache,
    }
    if Path(path).suffix.lower() == TABLE:
        if labels is None:
            raise ConfigError(f"{path} is a CSV, which needs a list of classes: --labels CSV, with lines of id,name")
        return AnnotationDataset(path, labels, clip, **common)
    return FolderDataset(path, clip, labels=labels, frame_fps=options.frame_fps, **common)


def add_data_options(parser: argparse.ArgumentParser, labels: str = "see --data") -> None:
    """Options of both jobs; `labels` describes the default of --labels."""
    add_labels(parser, labels)
    add_folder(parser, "--cache", metavar="FOLDER", help="folder that keeps decoded frames")
    parser.add_argument(
        "--frame-fps", type=float, default=30.0, metavar="HZ", help="rate of frame folders (default: 30)"
    )
    add_settings(parser, TrainingSettings, names=("num_workers", "device"))
