"""What comes out of a stream: the scores of one moment, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

import numpy as np


@dataclass(frozen=True)
class Hypothesis:
    """One possible activity.

    Attributes:
        class_id: index into the model's labels.
        label: name of the class.
        score: probability in 0..1.
    """

    class_id: int
    label: str
    score: float


@dataclass(frozen=True)
class Prediction:
    """What a model says about the frames up to `stamp_ns`.

    Attributes:
        stamp_ns: stamp of the newest frame used.
        top: the best hypotheses, best first; never empty.
        scores: float32 array of shape (num_classes,), the probability of every class.
        provisional: whether the stream began so recently that the window is not full of real frames.
    """

    stamp_ns: int
    top: Tuple[Hypothesis, ...]
    scores: np.ndarray
    provisional: bool = False

    @property
    def label(self) -> str:
        """Name of the best class."""
        return self.top[0].label

    @property
    def score(self) -> float:
        """Probability of the best class."""
        return self.top[0].score
