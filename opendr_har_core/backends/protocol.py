"""Protocol of a backend: what a recognizer needs from a runtime."""

from __future__ import annotations

from typing import Optional, Protocol, Sequence, Tuple, TypeVar

import numpy as np

from opendr_har_core.errors import BackendError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

Array = np.ndarray


class State(Protocol):
    """Network state of one or more streams of a CoX3D, a row for each; opaque to all but its backend.

    Attributes:
        rows: number of streams.
    """

    rows: int


StateType = TypeVar("StateType", bound=State)
# A row of a state to copy, or None for a new stream.
Row = Optional[Tuple[StateType, int]]


class Backend(Protocol[StateType]):
    """A loaded network: immutable and thread-safe; all arrays have a leading batch axis.

    Attributes:
        spec: what the network is and what input it expects.
        labels: class names, one per score.
        source: origin of the weights, as text for people.
        provider: the device or library in use, such as "CPUExecutionProvider".
        fallback_reason: why `provider` is not the first one that was asked for, or "".
    """

    spec: ModelSpec
    labels: LabelMap
    source: str

    @property
    def provider(self) -> str: ...

    @property
    def fallback_reason(self) -> str: ...

    def classify(self, clips: Array) -> Array:
        """X3D: uint8 (B, T, S, S, 3) RGB clips -> float32 (B, num_classes) probabilities."""
        ...

    def state(self, rows: Sequence[Row]) -> StateType:
        """CoX3D: a new state, with a copy of each given row, or zeros for None."""
        ...

    def step(self, frames: Sequence[Array], state: StateType) -> Array:
        """CoX3D: one uint8 (S, S, 3) RGB frame per row -> float32 (rows, num_classes) probabilities.

        Advances the state, or leaves it unchanged if the step fails. The first `spec.silent_frames` results of a new
        row are meaningless.
        """
        ...


def finite(probabilities: Array) -> Array:
    """Return `probabilities`; raises BackendError if any is not finite, as NaN would stay in a stream's state."""
    if not np.isfinite(probabilities).all():
        raise BackendError(
            "the model's scores are not finite (NaN): its weights are broken, as after training that diverged, or the "
            "provider's precision is too low; use another bundle, or the CPU"
        )
    return probabilities
