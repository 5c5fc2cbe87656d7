"""Protocol of a backend: what a recognizer needs from a runtime."""

from __future__ import annotations

from typing import NamedTuple, Optional, Protocol, Sequence, Tuple, TypeVar

import numpy as np

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import BackendError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

Array = np.ndarray


class Outputs(NamedTuple):
    """What a network gives for each row of a batch.

    Attributes:
        probabilities: float32 (B, num_classes).
        features: float32 (B, F), the pooled features that the classifier takes, averaged over the window; None for a
            bundle that does not give them.
    """

    probabilities: Array
    features: Optional[Array] = None

    def row(self, index: int) -> Outputs:
        """The outputs of one row, with a batch axis of 1."""
        rows = slice(index, index + 1)
        return Outputs(self.probabilities[rows], None if self.features is None else self.features[rows])

    def judged_by(self, head: Optional[Head]) -> Tuple[Array, Optional[Array]]:
        """Scores (B, classes) and novelty (B,) or None, of a head that fits, or of the network itself."""
        return (self.probabilities, None) if head is None else head.apply(self.features, self.probabilities)


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
        labels: class names of the network, one per probability.
        features: number of features that the network gives, 0 for none.
        source: origin of the weights, as text for people.
        weights_sha256: digest of the weights; "" if they may change.
        provider: the device or library in use, such as "CPUExecutionProvider".
        fallback_reason: why `provider` is not the first one that was asked for, or "".
    """

    spec: ModelSpec
    labels: LabelMap
    features: int
    source: str
    weights_sha256: str

    @property
    def provider(self) -> str: ...

    @property
    def fallback_reason(self) -> str: ...

    def classify(self, clips: Array) -> Outputs:
        """X3D: uint8 (B, T, S, S, 3) RGB clips -> outputs of B rows."""
        ...

    def state(self, rows: Sequence[Row]) -> StateType:
        """CoX3D: a new state, with a copy of each given row, or zeros for None."""
        ...

    def step(self, frames: Sequence[Array], state: StateType) -> Outputs:
        """CoX3D: one uint8 (S, S, 3) RGB frame per row -> outputs of each row.

        Advances the state, or leaves it unchanged if the step fails. The first `spec.silent_frames` results of a new
        row are meaningless.
        """
        ...


def check_finite(*outputs: Optional[Array]) -> None:
    """Raise BackendError if any output of a network is not finite, as NaN would stay in a stream's state."""
    if not all(np.isfinite(values).all() for values in outputs if values is not None):
        raise BackendError(
            "the model's scores are not finite (NaN): its weights are broken, as after training that diverged, or the "
            "provider's precision is too low; use another bundle, or the CPU"
        )
