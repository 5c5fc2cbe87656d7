"""Postprocessing: rank scores, and filter predictions by smoothing, threshold and minimum duration."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Optional, Tuple

import numpy as np

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.settings import LabelSettings

NO_CLASS = -1


def top_k(scores: np.ndarray, labels: LabelMap, k: int) -> Tuple[Hypothesis, ...]:
    """The `k` best of float scores (num_classes,), best first; equal scores in the order of their class ids."""
    best = np.argsort(-scores, kind="stable")[:k]
    return tuple(
        Hypothesis(class_id, labels.names[class_id], score)
        for class_id, score in zip(best.tolist(), scores[best].tolist())
    )


class LabelFilter:
    """Filters the predictions of one stream."""

    def __init__(self, settings: LabelSettings, labels: LabelMap) -> None:
        """`settings` may be replaced at any time."""
        self.settings = settings
        self._labels = labels
        self.reset()

    def reset(self) -> None:
        """Forget all earlier predictions."""
        self._smoothed: Optional[Prediction] = None
        self._shown: Optional[Hypothesis] = None
        self._rival: Optional[Tuple[int, int]] = None

    def update(self, prediction: Prediction) -> Prediction:
        """Filter a prediction.

        The result has smoothed `scores` and `novelty`. Its `top` starts with the label to show; below the threshold,
        or if the prediction is unknown, that is the no-activity label with class id -1 and the best score. The other
        hypotheses follow by score.
        """
        self._smoothed = self._smooth(prediction)
        # One more than asked for: the label to show may be among them.
        ranked = top_k(self._smoothed.scores, self._labels, self.settings.top_k + 1)
        if self.settings.reject_unknown and self._smoothed.is_unknown:
            best = self._no_activity(ranked[0])
        else:
            best = self._above_threshold(ranked[0], self._smoothed.scores)
        holding = self._hold(best, prediction.stamp_ns, self._smoothed.scores)
        others = [item for item in ranked if item.class_id != holding.class_id]
        return replace(self._smoothed, top=(holding, *others)[: self.settings.top_k])

    def _smooth(self, prediction: Prediction) -> Prediction:
        before = self._smoothed
        if before is None or self.settings.smoothing == 0:
            return prediction
        elapsed_sec = (prediction.stamp_ns - before.stamp_ns) / NANOSECONDS
        keep = math.exp(-max(elapsed_sec, 0.0) / self.settings.smoothing)
        scores: np.ndarray = (keep * before.scores + (1 - keep) * prediction.scores).astype(np.float32)
        novelty = prediction.novelty
        if novelty is not None and before.novelty is not None:
            novelty = keep * before.novelty + (1 - keep) * novelty
        return replace(prediction, scores=scores, novelty=novelty)

    def _above_threshold(self, best: Hypothesis, scores: np.ndarray) -> Hypothesis:
        """`best`; below the threshold, the label shown so far if hysteresis keeps it, else the no-activity label."""
        threshold, shown = self.settings.threshold, self._shown
        if best.score >= threshold:
            return best
        if shown is not None and shown.class_id != NO_CLASS:
            score = float(scores[shown.class_id])
            if score >= threshold - self.settings.hysteresis:
                return replace(shown, score=score)
        return self._no_activity(best)

    def _no_activity(self, best: Hypothesis) -> Hypothesis:
        return Hypothesis(NO_CLASS, self.settings.no_activity_label, best.score)

    def _hold(self, best: Hypothesis, stamp_ns: int, scores: np.ndarray) -> Hypothesis:
        """`best`, or the label shown so far, with its current score, until `best` has lasted long enough."""
        shown = self._shown
        if shown is None or best.class_id == shown.class_id or self._has_lasted(best, stamp_ns):
            self._rival = None
            self._shown = best
            return best
        score = best.score if shown.class_id == NO_CLASS else float(scores[shown.class_id])
        return replace(shown, score=score)

    def _has_lasted(self, best: Hypothesis, stamp_ns: int) -> bool:
        if self._rival is None or self._rival[0] != best.class_id:
            self._rival = (best.class_id, stamp_ns)
        return stamp_ns - self._rival[1] >= self.settings.min_duration_sec * NANOSECONDS
