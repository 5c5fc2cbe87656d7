"""What a CoX3D has seen so far, shared by a learner and its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple, Type

from opendr_har_core.backends.onnx import OnnxBackend


@dataclass
class History:
    """What was seen since the last reset.

    Attributes:
        backend: the graph that the history belongs to; None for torch's.
        state: of that backend, or a CoX3DState.
        shape: (rows, side) of every frame.
        steps: number of frames.
    """

    backend: Optional[OnnxBackend]
    state: Any
    shape: Tuple[int, int]
    steps: int = 0


class Memory:
    """Holds the history, or None before the first frame."""

    def __init__(self) -> None:
        self.history: Optional[History] = None

    def __reduce__(self) -> Tuple[Type[Memory], Tuple[()]]:
        """Copies of a network, as training in several processes makes them, begin without a history."""
        return Memory, ()
