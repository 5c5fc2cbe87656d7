"""Augmentation options of `opendr-har train`."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Dict, Optional

from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from opendr_har_core.labels import LabelMap

# Not "on" and "off", which YAML reads as booleans.
AUTO, HALF, NEVER = "auto", "half", "never"
FLIPS = (AUTO, HALF, NEVER)
RANGES = ("scale", "erase_area")
SHARES = ("colour", "erase")


def add_augmentation(parser: argparse.ArgumentParser) -> None:
    """Flags of `TrainTransform`."""
    group = parser.add_argument_group("augmentation")
    group.add_argument(
        "--flip",
        choices=FLIPS,
        default=AUTO,
        help="mirror half of the clips, or none (default: half, unless a class name contains left or right)",
    )
    group.add_argument(
        "--scale",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="range of the short side, in sides of the cropped square (default: 1.14 1.43)",
    )
    group.add_argument(
        "--colour",
        "--color",
        type=float,
        metavar="SHARE",
        help="range of brightness, contrast and saturation (default: 0.2)",
    )
    group.add_argument("--erase", type=float, metavar="P", help="share of clips with a blank rectangle (default: 0.25)")
    group.add_argument(
        "--erase-area",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="range of its area, as a share of the image (default: 0.02 0.2)",
    )
    group.add_argument("--no-augmentation", action="store_true", help="use the central square of each clip, unchanged")


class Augmentation:
    """Transform of training clips; the classes decide whether it mirrors them, unless --flip does."""

    deterministic = False

    def __init__(self, options: argparse.Namespace, image_size: int) -> None:
        """Raises ConfigError for values that are not allowed."""
        from opendr_har_core.datasets.transforms import EvalTransform, TrainTransform

        given = {name: getattr(options, name) for name in (*SHARES, *RANGES) if getattr(options, name) is not None}
        given = {name: tuple(value) if name in RANGES else value for name, value in given.items()}
        self._flip = options.flip
        self._transform: Any = TrainTransform(image_size, flip=self._flip != NEVER, **given)
        self.described: Optional[Dict[str, Any]] = {**asdict(self._transform), "flip": self._flip}
        if options.no_augmentation:
            used = sorted(given) or ([] if self._flip == AUTO else ["flip"])
            if used:
                raise ConfigError(f"--no-augmentation contradicts {used}; leave one of them out")
            self._transform, self.described = EvalTransform(image_size), None

    def settle(self, labels: LabelMap) -> None:
        """Don't mirror clips if a class name contains left or right, unless --flip is given."""
        from opendr_har_core.datasets.names import may_mirror

        if self.described is not None and self._flip == AUTO:
            self._transform = replace(self._transform, flip=may_mirror(labels))

    def __call__(self, frames: Tensor) -> Tensor:
        """See `TrainTransform` and `EvalTransform`."""
        clip: Tensor = self._transform(frames)
        return clip
