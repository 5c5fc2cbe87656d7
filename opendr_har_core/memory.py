"""What a stream remembers between frames: a clip's frames for X3D, a row of a state for CoX3D.

A memory first prepares a frame's input, is then told the outcome, and changes only then, so that a failed call
loses nothing.
"""

from __future__ import annotations

from typing import List, Optional, Protocol, Sequence

import numpy as np

from opendr_har_core.backends.base import Array, Backend, Row, State
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
    """CoX3D: a row of a state, and how many steps it has made.

    Streams that are pushed together share one state, so that pushing them together again moves nothing.
    """

    def __init__(self, backend: Backend) -> None:
        self._needed = backend.spec.warm_up
        self.clear()

    def clear(self) -> None:
        """Back to before the first frame; the state is made when it is needed."""
        self._row: Row[State] = None
        self._seen = 0

    @classmethod
    def advance(
        cls, backend: Backend, memories: Sequence[StateMemory], images: Sequence[Array], restarts: Sequence[bool]
    ) -> List[Optional[Array]]:
        """Step all memories by one image each, in one call; one that restarts begins anew."""
        rows = [None if restart else memory._row for memory, restart in zip(memories, restarts)]
        state = _shared_state(rows) or backend.state(rows)
        probabilities = backend.step(images, state)
        scores: List[Optional[Array]] = []
        for index, memory in enumerate(memories):
            seen = 0 if restarts[index] else memory._seen
            scores.append(probabilities[index] if seen >= memory._needed else None)
            memory._row = (state, index)
            memory._seen = seen + 1
        return scores


def _shared_state(rows: Sequence[Row[State]]) -> Optional[State]:
    """The state that consists of exactly these rows in this order, or None."""
    first = rows[0]
    if first is None or first[0].rows != len(rows):
        return None
    state = first[0]
    matches = all(row is not None and row[0] is state and row[1] == index for index, row in enumerate(rows))
    return state if matches else None
