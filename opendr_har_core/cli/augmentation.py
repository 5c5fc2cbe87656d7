"""The options of `train` that say how clips are varied."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Dict, Optional

from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from opendr_har_core.labels import LabelMap

# Not on and off, which YAML takes for something else.
AUTO, HALF, NEVER = "auto", "half", "never"
FLIPS = (AUTO, HALF, NEVER)
RANGES = ("scale", "erase_area")
SHARES = ("colour", "erase")


def add_augmentation(parser: argparse.ArgumentParser) -> None:
    """Flags of `TrainTransform`."""
    group = parser.add_argument_group("augmentation", "how clips are varied; defaults are those of TrainTransform")
    group.add_argument(
        "--flip",
        choices=FLIPS,
        default=AUTO,
        help="mirror half of the clips, or none (default: half, but none where classes say left or right)",
    )
    group.add_argument(
        "--scale",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="range of the short side, in sides of the square that is cut from it (default: 1.14 1.43)",
    )
    group.add_argument(
        "--colour",
        "--color",
        type=float,
        metavar="SHARE",
        help="how far brightness, contrast and saturation vary (default: 0.2)",
    )
    group.add_argument("--erase", type=float, metavar="P", help="share of clips with a blank rectangle (default: 0.25)")
    group.add_argument(
        "--erase-area",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="range of its area, as a share of the picture (default: 0.02 0.2)",
    )
    group.add_argument("--no-augmentation", action="store_true", help="show clips as they are, the middle square")


class Augmentation:
    """The transform of training clips; whether they are mirrored is settled when the classes are known."""

    deterministic = False

    def __init__(self, options: argparse.Namespace, image_size: int) -> None:
        """Raises ConfigError for values that make no sense."""
        from opendr_har_core.datasets.transforms import EvalTransform, TrainTransform

        given = {name: getattr(options, name) for name in (*SHARES, *RANGES) if getattr(options, name) is not None}
        given = {name: tuple(value) if name in RANGES else value for name, value in given.items()}
        self._flip = options.flip
        self._transform: Any = TrainTransform(image_size, flip=self._flip != NEVER, **given)
        self.described: Optional[Dict[str, Any]] = {**asdict(self._transform), "flip": self._flip}
        if options.no_augmentation:
            used = sorted(given) or ([] if self._flip == AUTO else ["flip"])
            if used:
                raise ConfigError(f"--no-augmentation leaves no use for {used}; leave one of them out")
            self._transform, self.described = EvalTransform(image_size), None

    def settle(self, labels: LabelMap) -> None:
        """Mirror no clips where a class speaks of left or right, unless it was said which clips to mirror."""
        from opendr_har_core.datasets.names import may_mirror

        if self.described is not None and self._flip == AUTO:
            self._transform = replace(self._transform, flip=may_mirror(labels))

    def __call__(self, frames: Tensor) -> Tensor:
        """As `TrainTransform`, or as `EvalTransform`."""
        clip: Tensor = self._transform(frames)
        return clip
