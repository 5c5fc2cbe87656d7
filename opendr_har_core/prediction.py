"""Predictions: the scores of a model at one moment, the output of a stream."""

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
    """Scores of a model for the frames up to `stamp_ns`.

    Attributes:
        stamp_ns: stamp of the newest frame used.
        top: best hypotheses, best first; never empty.
        scores: float32 array of shape (num_classes,), the probability of every class.
        provisional: whether the stream has not seen a full window of real frames yet.
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
