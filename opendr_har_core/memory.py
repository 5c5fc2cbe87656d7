"""What a stream remembers between frames: a clip's frames for X3D, a state for CoX3D.

A memory first prepares a frame's input, is then told the outcome, and changes only then, so that a failed call
loses nothing.
"""

from __future__ import annotations

from typing import List, Optional, Protocol, Sequence, Tuple

import numpy as np

from opendr_har_core.backends.base import Array, Backend, State
from opendr_har_core.clip import ClipRing


class Memory(Protocol):
    """The part of a stream that depends on the kind of network."""

    def clear(self) -> None:
        """Forget everything."""
        ...


class ClipMemory:
    """X3D: the last frames, classified together once there are enough."""

    def __init__(self, backend: Backend) -> None:
        self._ring = ClipRing(backend.spec.window, backend.spec.image_size)
        self._needed = backend.spec.warm_up
        self._seen = 0

    def clear(self) -> None:
        """Forget all frames."""
        self._ring.clear()
        self._seen = 0

    @classmethod
    def advance(
        cls, backend: Backend, memories: Sequence[ClipMemory], images: Sequence[Array], restarts: Sequence[bool]
    ) -> List[Optional[Array]]:
        """Add one image to each memory and classify those that then hold a whole clip, in one call.

        A memory that restarts forgets what it held before the image.
        """
        seen = [0 if restart else memory._seen for memory, restart in zip(memories, restarts)]
        ready = [index for index, memory in enumerate(memories) if seen[index] >= memory._needed]
        scores: List[Optional[Array]] = [None] * len(memories)
        if ready:
            clips = np.stack([memories[index]._ring.clip_with(images[index]) for index in ready])
            for index, row in zip(ready, backend.classify(clips)):
                scores[index] = row
        for index, (memory, image) in enumerate(zip(memories, images)):
            memory._ring.append(image)
            memory._seen = seen[index] + 1
        return scores


class StateMemory:
    """CoX3D: the network's state, and how many steps it has made."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._needed = backend.spec.warm_up
        self.clear()

    def clear(self) -> None:
        """Back to the state before the first frame."""
        self._state: State = self._backend.initial_state(1)
        self._seen = 0

    @classmethod
    def advance(
        cls, backend: Backend, memories: Sequence[StateMemory], images: Sequence[Array], restarts: Sequence[bool]
    ) -> List[Optional[Array]]:
        """Step all memories by one image each, in one call; one that restarts begins with the initial state."""
        states = [backend.initial_state(1) if restart else memory._state for memory, restart in zip(memories, restarts)]
        probabilities, state = backend.step(np.stack(images), _joined(states))
        scores: List[Optional[Array]] = []
        for index, memory in enumerate(memories):
            seen = 0 if restarts[index] else memory._seen
            scores.append(probabilities[index] if seen >= memory._needed else None)
            memory._state = state if len(memories) == 1 else _piece(state, index)
            memory._seen = seen + 1
        return scores


def _joined(states: Sequence[State]) -> State:
    if len(states) == 1:
        return states[0]
    return tuple(np.concatenate(tensors) for tensors in zip(*states))


def _piece(state: State, index: int) -> Tuple[Array, ...]:
    """One stream's state, in memory of its own, so that it does not keep the whole batch alive."""
    return tuple(tensor[index : index + 1].copy() for tensor in state)
