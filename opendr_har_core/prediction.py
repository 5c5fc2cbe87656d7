"""Predictions: the scores of a model at one moment, the output of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

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
        scores: float32 array of shape (classes,), the probability of every class.
        provisional: whether the stream has not seen a full window of real frames yet.
        features: float32 array of shape (F,), what the classifier takes; None from a bundle that does not give them.
        novelty: how far the frames are from everything that the model knows: above 1, they are none of its classes.
            None from a model that is not calibrated.
    """

    stamp_ns: int
    top: Tuple[Hypothesis, ...]
    scores: np.ndarray
    provisional: bool = False
    features: Optional[np.ndarray] = None
    novelty: Optional[float] = None

    @property
    def label(self) -> str:
        """Name of the best class."""
        return self.top[0].label

    @property
    def score(self) -> float:
        """Probability of the best class."""
        return self.top[0].score

    @property
    def is_unknown(self) -> bool:
        """Whether the model knows that it does not know what it sees."""
        return self.novelty is not None and self.novelty > 1
