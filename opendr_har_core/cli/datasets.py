"""The options of `train` and `eval` that say where the clips are."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from opendr_har_core.cli.options import DEVICES, add_folder, add_labels
from opendr_har_core.errors import ConfigError

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
    """A folder with a folder of videos per class, or a CSV `path,start,end,label`; frames per `options`."""
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
            raise ConfigError(f"{path} is a table, so say which classes there are: --labels CSV, with id,name")
        return AnnotationDataset(path, labels, clip, **common)
    return FolderDataset(path, clip, labels=labels, frame_fps=options.frame_fps, **common)


def add_data_options(parser: argparse.ArgumentParser, labels: str = "see --data") -> None:
    """Options that both jobs have; `labels` says what classes they have by default."""
    add_labels(parser, labels)
    add_folder(parser, "--cache", metavar="FOLDER", help="keep decoded frames there")
    parser.add_argument("--frame-fps", type=float, default=30.0, metavar="HZ", help="of frame folders (default: 30)")
    parser.add_argument("--num-workers", type=int, default=0, metavar="N", help="processes that decode (default: 0)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="default: cpu")
