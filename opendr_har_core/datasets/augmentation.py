"""Settings of the augmentation of training clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from opendr_har_core.settings import check, setting

if TYPE_CHECKING:
    from torch import Tensor

    from opendr_har_core.labels import LabelMap

# Not "on" and "off", which YAML reads as booleans.
AUTO, HALF, NEVER = "auto", "half", "never"


@dataclass(frozen=True)
class AugmentationSettings:
    """How training clips are varied; raises ConfigError for a value that is not allowed."""

    flip: str = setting(
        AUTO,
        "Mirror half of the clips, or none; auto mirrors none if a class name contains left or right.",
        choices=(AUTO, HALF, NEVER),
    )
    colour: float = setting(0.2, "Range of brightness, contrast and saturation, as a share.", least=0, below=1)
    erase: float = setting(0.25, "Share of clips with a blank rectangle.", least=0, most=1)
    no_augmentation: bool = setting(False, "Use the central square of each clip, unchanged.")

    def __post_init__(self) -> None:
        check(self)

    def transform(self, image_size: int, labels: LabelMap) -> Callable[[Tensor], Tensor]:
        """The transform of clips of these classes."""
        from opendr_har_core.datasets.transforms import EvalTransform, TrainTransform, may_mirror

        if self.no_augmentation:
            return EvalTransform(image_size)
        flip = may_mirror(labels) if self.flip == AUTO else self.flip == HALF
        return TrainTransform(image_size, flip, colour=self.colour, erase=self.erase)
