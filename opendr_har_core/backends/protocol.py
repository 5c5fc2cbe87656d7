"""What a runtime must offer to a recognizer."""

from __future__ import annotations

from typing import Optional, Protocol, Sequence, Tuple, TypeVar

import numpy as np

from opendr_har_core.errors import BackendError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

Array = np.ndarray


class State(Protocol):
    """What a CoX3D remembers of one or more streams, a row for each; only the backend that made it looks inside.

    Attributes:
        rows: number of streams.
    """

    rows: int


StateType = TypeVar("StateType", bound=State)
# A row to carry over, or None for one that begins anew.
Row = Optional[Tuple[StateType, int]]


class Backend(Protocol[StateType]):
    """A loaded network: immutable, safe to share between streams; all arrays have a leading batch axis.

    Attributes:
        spec: what the network is and expects.
        labels: class names, one per score.
        provider: what computes, for people ("CPUExecutionProvider").
        fallback_reason: why something else computes than was asked for first, for people, or "".
        source: where the weights come from, for people.
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
        """CoX3D: a new state made of copies of rows of others; those, and None for a row before its first frame."""
        ...

    def step(self, frames: Sequence[Array], state: StateType) -> Array:
        """CoX3D: one uint8 (S, S, 3) RGB frame for each row -> float32 (rows, num_classes) probabilities.

        Advances the state; when the step fails, the state stays as it was. The first `spec.silent_frames` results of
        a new row mean nothing and must not be shown.
        """
        ...


def finite(probabilities: Array) -> Array:
    """The same array; raises BackendError where one is no finite number, which would stay in a state for ever."""
    if not np.isfinite(probabilities).all():
        raise BackendError(
            "the model's scores are not finite (NaN): its weights are broken, as after training that diverged, or "
            "the provider's precision does not suffice; use another bundle, or the CPU"
        )
    return probabilities
