"""Ours: a bundle on ONNX Runtime through the public API."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy as np

from opendr_har_core import Frame, Recognizer

PERIOD_NS = 200_000_000


class Ours:
    """A stream that takes every frame (cox3d), or single clips (x3d)."""

    def setup(self, task: Dict[str, Any]) -> None:
        """Open the bundle and the frames; threads None is the library's default."""
        recognizer = Recognizer.open(task["bundle"], threads=task["our_threads"])
        self._frames = np.load(task["frames"])
        self._clip = np.ascontiguousarray(self._frames[: task["window"]])
        self._stream = recognizer.stream(sampling="every_frame")
        self._pushed = 0
        self.call = self._push if task["network"] == "cox3d" else _clip_caller(recognizer, self._clip)
        self.warm = self.call

    def _push(self) -> Optional[np.ndarray]:
        """One frame; float32 (classes,) probabilities, None while warming up."""
        frame = Frame(self._frames[self._pushed % len(self._frames)], self._pushed * PERIOD_NS)
        self._pushed += 1
        prediction = self._stream.push(frame)
        return prediction.scores if prediction else None

    def release(self) -> None:
        """Nothing is kept."""


def _clip_caller(recognizer: Recognizer, clip: np.ndarray) -> Any:
    """A function that classifies `clip` anew at each call; a stream could reuse work between overlapping clips."""
    if hasattr(recognizer, "classify_clip"):
        return lambda: _scores(recognizer.classify_clip(clip))
    return lambda: recognizer._backend.classify(clip[None])[0]


def _scores(result: Any) -> np.ndarray:
    """The (classes,) probabilities of a prediction, or of a result that is nothing more than them."""
    return np.asarray(getattr(result, "scores", result))
