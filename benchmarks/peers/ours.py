"""Ours: a bundle on ONNX Runtime through the public API."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy as np

from opendr_har_core import Frame, Recognizer

PERIOD_NS = 200_000_000


class Ours:
    """A stream that takes every frame (cox3d), or single clips (x3d)."""

    def setup(self, task: Dict[str, Any]) -> None:
        """Open the bundle and the frames."""
        recognizer = Recognizer.open(task["bundle"], threads=task["threads"])
        self._frames = np.load(task["frames"])
        self._clip = np.ascontiguousarray(self._frames[: task["window"]])
        self._stream = recognizer.stream(sampling="every_frame")
        self._pushed = 0
        self.call = self._push if task["network"] == "cox3d" else self._classify
        self._recognizer = recognizer
        self.warm = self.call

    def _push(self) -> Optional[np.ndarray]:
        """One frame; float32 (classes,) probabilities, None while warming up."""
        frame = Frame(self._frames[self._pushed % len(self._frames)], self._pushed * PERIOD_NS)
        self._pushed += 1
        prediction = self._stream.push(frame)
        return prediction.scores if prediction else None

    def _classify(self) -> np.ndarray:
        """The clip anew; float32 (classes,) probabilities."""
        return self._recognizer.classify_clips(self._clip[None])[0]

    def release(self) -> None:
        """Nothing is kept."""
