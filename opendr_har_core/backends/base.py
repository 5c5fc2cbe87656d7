"""What a runtime must offer to a recognizer."""

from __future__ import annotations

from typing import Protocol, Tuple

import numpy as np

from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

Array = np.ndarray
State = Tuple[Array, ...]


class Backend(Protocol):
    """A loaded network: immutable, safe to share between streams; all arrays have a leading batch axis.

    Attributes:
        spec: what the network is and expects.
        labels: class names, one per score.
        provider: what computes, for people ("CPUExecutionProvider").
        source: where the weights come from, for people.
    """

    spec: ModelSpec
    labels: LabelMap
    provider: str
    source: str

    def classify(self, clips: Array) -> Array:
        """X3D: uint8 (B, T, S, S, 3) RGB clips -> float32 (B, num_classes) probabilities."""
        ...

    def initial_state(self, batch: int) -> State:
        """CoX3D: the state before the first frame (zeros), one array per state tensor, each (B, ...)."""
        ...

    def step(self, frames: Array, state: State) -> Tuple[Array, State]:
        """CoX3D: uint8 (B, S, S, 3) RGB frames and a state -> float32 (B, num_classes) probabilities, next state.

        The first `spec.warm_up` results of a fresh state mean nothing and must not be shown.
        """
        ...
