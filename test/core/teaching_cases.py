"""Features of made-up actions: Gaussian classes whose showings differ."""

from __future__ import annotations

import numpy as np

WIDTH = 40


class Actions:
    """Actions with far centres; each showing has an offset of its own."""

    def __init__(self, names, seed=0, distance=8.0):
        self.rng = np.random.default_rng(seed)
        self.centres = {name: distance * self._unit() for name in names}

    def _unit(self):
        direction = self.rng.normal(size=WIDTH)
        return direction / np.linalg.norm(direction)

    def showing(self, name, rows=5):
        offset = 0.3 * self.rng.normal(size=WIDTH)
        return (self.centres[name] + offset + 0.5 * self.rng.normal(size=(rows, WIDTH))).astype(np.float32)

    def examples(self, count, names=None):
        return {name: [self.showing(name) for _ in range(count)] for name in names or self.centres}

    def background(self, rows=200):
        """Consecutive predictions about none of them, as (probabilities, features)."""
        centre = 8.0 * self._unit()
        return stretch(centre + 0.5 * self.rng.normal(size=(rows, WIDTH)))


def stretch(features, classes=3):
    """Features as (probabilities, features), with a graph that knows nothing."""
    return np.full((len(features), classes), 1 / classes, np.float32), np.asarray(features, np.float32)
