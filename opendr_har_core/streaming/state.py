"""What a history remembers between frames: a clip's frames for X3D, a row of a state for CoX3D.

A memory is first asked for scores, and changes only when nothing can fail any more, so that a failed call loses
nothing.
"""

from __future__ import annotations

from typing import List, Optional, Protocol, Sequence, Tuple

import numpy as np

from opendr_har_core.backends.protocol import Array, Backend, Row, State
from opendr_har_core.streaming.clip_buffer import ClipRing


class StreamState(Protocol):
    """The part of a history that depends on the kind of network.

    Attributes:
        seen: frames that came; made up ones do not count.
    """

    seen: int

    def prime(self, image: Array) -> None:
        """Set a new memory as if `image`, the first to come, had repeated indefinitely; BackendError."""
        ...

    def clone(self) -> StreamState:
        """An independent memory with the same content."""
        ...


class ClipState:
    """X3D: the last frames, classified together once there are enough."""

    def __init__(self, backend: Backend, silent_frames: int) -> None:
        """`silent_frames` is the number of frames that give no scores, unless the memory is primed."""
        self._backend = backend
        self._silent_frames = silent_frames
        self._ring = ClipRing(backend.spec.window, backend.spec.image_size)
        self.seen = 0

    def prime(self, image: Array) -> None:
        """Fill the clip with uint8 (S, S, 3) `image`."""
        for _ in range(self._backend.spec.warm_up):
            self._ring.append(image)
        self._silent_frames = 0

    def clone(self) -> ClipState:
        """An independent memory with the same frames."""
        memory = ClipState(self._backend, self._silent_frames)
        memory._ring, memory.seen = self._ring.copy(), self.seen
        return memory

    @classmethod
    def advance(cls, backend: Backend, memories: Sequence[ClipState], images: Sequence[Array]) -> List[Optional[Array]]:
        """Add one image to each memory and classify those that then hold a whole clip, in one call."""
        ready = [index for index, memory in enumerate(memories) if memory.seen >= memory._silent_frames]
        scores: List[Optional[Array]] = [None] * len(memories)
        if ready:
            clips = np.stack([memories[index]._ring.clip_with(images[index]) for index in ready])
            for index, row in zip(ready, backend.classify(clips)):
                scores[index] = row
        for memory, image in zip(memories, images):
            memory._ring.append(image)
            memory.seen += 1
        return scores


class StepState:
    """CoX3D: a row of a state, and how many steps it has made.

    Streams that are pushed together share one state, so that pushing them together again moves nothing.
    """

    def __init__(self, backend: Backend, silent_frames: int) -> None:
        """The state is made when it is needed. For `silent_frames` see ClipState."""
        self._backend = backend
        self._silent_frames = silent_frames
        self._row: Row[State] = None
        self.seen = 0

    def prime(self, image: Array) -> None:
        """Step over uint8 (S, S, 3) `image` until the network is warm."""
        state = self._backend.state([None])
        for _ in range(self._backend.spec.warm_up):
            self._backend.step([image], state)
        self._row = (state, 0)
        self._silent_frames = 0

    def clone(self) -> StepState:
        """An independent memory with a copy of this one's state."""
        memory = StepState(self._backend, self._silent_frames)
        memory._row = (self._backend.state([self._row]), 0)
        memory.seen = self.seen
        return memory

    @classmethod
    def advance(cls, backend: Backend, memories: Sequence[StepState], images: Sequence[Array]) -> List[Optional[Array]]:
        """Step all memories by one image each, in one call."""
        rows = [memory._row for memory in memories]
        state = _shared_state(rows) or backend.state(rows)
        probabilities = backend.step(images, state)
        scores: List[Optional[Array]] = []
        for index, memory in enumerate(memories):
            scores.append(probabilities[index] if memory.seen >= memory._silent_frames else None)
            memory._row = (state, index)
            memory.seen += 1
        return scores


def advance(backend: Backend, tasks: Sequence[Tuple[StreamState, Array]]) -> List[Optional[Array]]:
    """Show each memory an image, all in one call: scores, or None for those that are silent still."""
    if not tasks:
        return []
    images = [image for _, image in tasks]
    if backend.spec.is_continual:
        states = [memory for memory, _ in tasks if isinstance(memory, StepState)]
        return StepState.advance(backend, states, images)
    clips = [memory for memory, _ in tasks if isinstance(memory, ClipState)]
    return ClipState.advance(backend, clips, images)


def _shared_state(rows: Sequence[Row[State]]) -> Optional[State]:
    """The state that consists of exactly these rows in this order, or None."""
    first = rows[0]
    if first is None or first[0].rows != len(rows):
        return None
    state = first[0]
    matches = all(row is not None and row[0] is state and row[1] == index for index, row in enumerate(rows))
    return state if matches else None
