"""A tiny deterministic network and noisy frames, for tests of streams."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np

from opendr_har_core.backends.protocol import Outputs
from opendr_har_core.frame import Frame
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

MS = 1_000_000
SIDE = 8


class ArithmeticBackend:
    """Scores that depend on every frame seen and on their order, so that mixing or losing one shows."""

    features = 1
    provider = "arithmetic"
    fallback_reason = ""
    source = "a test"

    def __init__(self, architecture, window=3, warm_up=None, stride=6):
        warm_up = window - 1 if warm_up is None else warm_up
        self.spec = ModelSpec(architecture, "tiny", SIDE, window, stride, warm_up, num_classes=3)
        self.labels = LabelMap(["a", "b", "c"])
        self.calls = 0
        self.fail = False

    def classify(self, clips):
        self._called()
        means = clips.astype(np.float64).mean(axis=(2, 3, 4))
        return self._outputs(sum(means[:, t] * 0.5**t for t in range(means.shape[1])))

    def state(self, rows):
        return SimpleNamespace(rows=len(rows), memory=[row[0].memory[row[1]] if row else 0.0 for row in rows])

    def step(self, frames, state):
        self._called()
        state.memory = [0.5 * old + frame.astype(np.float64).mean() for old, frame in zip(state.memory, frames)]
        return self._outputs(np.array(state.memory))

    def _called(self):
        self.calls += 1
        if self.fail:
            raise RuntimeError("the runtime broke")

    @staticmethod
    def _outputs(values):
        raw = np.stack([values, values[::1] * 0 + 100.0, 200.0 - values], axis=1)
        probabilities = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
        return Outputs(probabilities, values[:, None].astype(np.float32))


def frames(count, fps=30.0, seed=0, start=0, jitter=0.0, size=(12, 16)):
    """Noise at `fps`; each stamp is off by up to `jitter` intervals."""
    rng, clock = np.random.default_rng(seed), random.Random(seed)
    return [
        Frame(
            rng.integers(0, 256, (*size, 3), dtype=np.uint8),
            start + round((index + clock.uniform(-jitter, jitter)) * 1e9 / fps),
        )
        for index in range(count)
    ]


def exact(predictions):
    """Stamp and bytes of each prediction, for bitwise comparisons."""
    return [None if item is None else (item.stamp_ns, item.scores.tobytes()) for item in predictions]


def outputs(stream, some_frames):
    """The predictions for some frames, without those that give none."""
    return [item for item in exact(map(stream.push, some_frames)) if item]
