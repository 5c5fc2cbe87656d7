"""State that a stream keeps between frames: recent frames for an X3D, network state for a CoX3D.

`advance` changes states only after the network has succeeded, so a failed call loses nothing.
"""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple, Union

import numpy as np

from opendr_har_core.backends.protocol import Array, Backend, Outputs, Row, State


class ClipState:
    """Ring of the last frames, for an X3D; the clip is classified once it is full.

    Attributes:
        seen: number of real frames so far; frames repeated by `prime` do not count.
    """

    def __init__(self, backend: Backend, silent_frames: int) -> None:
        """`silent_frames` is the number of frames without scores, unless the state is primed."""
        spec = backend.spec
        self._backend = backend
        self._silent_frames = silent_frames
        self._pixels = np.zeros((spec.window, spec.image_size, spec.image_size, 3), np.uint8)
        self._written = 0
        self.seen = 0

    def prime(self, image: Array) -> None:
        """Prime a new state as if uint8 (S, S, 3) `image` had repeated indefinitely; raises BackendError."""
        for _ in range(self._backend.spec.warm_up):
            self._append(image)
        self._silent_frames = 0

    def clone(self) -> ClipState:
        """Independent copy."""
        copy = ClipState(self._backend, self._silent_frames)
        copy._pixels[:] = self._pixels
        copy._written, copy.seen = self._written, self.seen
        return copy

    @classmethod
    def advance(cls, backend: Backend, states: Sequence[ClipState], images: Sequence[Array]) -> List[Optional[Outputs]]:
        """Advance states by one image each, in one call of the network; see the function `advance`."""
        ready = [index for index, state in enumerate(states) if state.seen >= state._silent_frames]
        found: List[Optional[Outputs]] = [None] * len(states)
        if ready:
            outputs = backend.classify(np.stack([states[index]._clip_with(images[index]) for index in ready]))
            for row, index in enumerate(ready):
                found[index] = outputs.row(row)
        for state, image in zip(states, images):
            state._append(image)
            state.seen += 1
        return found

    def _append(self, image: Array) -> None:
        self._pixels[self._written % len(self._pixels)] = image
        self._written += 1

    def _clip_with(self, image: Array) -> Array:
        """The clip (T, S, S, 3), oldest frame first, that appending `image` would give."""
        size = len(self._pixels)
        kept = [(self._written + 1 + offset) % size for offset in range(size - 1)]
        return np.concatenate([self._pixels[kept], image[None]])


class StepState:
    """Row of a network state, for a CoX3D.

    Streams that are pushed together share one network state, so pushing them together again copies nothing.
    """

    def __init__(self, backend: Backend, silent_frames: int) -> None:
        """Allocates nothing yet; for `silent_frames` see `ClipState`."""
        self._backend = backend
        self._silent_frames = silent_frames
        self._row: Row[State] = None
        self.seen = 0

    def prime(self, image: Array) -> None:
        """See `ClipState`."""
        state = self._backend.state([None])
        for _ in range(self._backend.spec.warm_up):
            self._backend.step([image], state)
        self._row = (state, 0)
        self._silent_frames = 0

    def clone(self) -> StepState:
        """See `ClipState`."""
        copy = StepState(self._backend, self._silent_frames)
        copy._row = (self._backend.state([self._row]), 0)
        copy.seen = self.seen
        return copy

    @classmethod
    def advance(cls, backend: Backend, states: Sequence[StepState], images: Sequence[Array]) -> List[Optional[Outputs]]:
        """See `ClipState`."""
        rows = [state._row for state in states]
        shared = _shared_state(rows) or backend.state(rows)
        outputs = backend.step(images, shared)
        found: List[Optional[Outputs]] = []
        for index, state in enumerate(states):
            found.append(outputs.row(index) if state.seen >= state._silent_frames else None)
            state._row = (shared, index)
            state.seen += 1
        return found


StreamState = Union[ClipState, StepState]


def new_state(backend: Backend, silent_frames: int) -> StreamState:
    """State of a new history; for `silent_frames` see `ClipState`."""
    return (StepState if backend.spec.is_continual else ClipState)(backend, silent_frames)


def advance(backend: Backend, tasks: Sequence[Tuple[StreamState, Array]]) -> List[Optional[Outputs]]:
    """Advance each state by its image, in one call of the network.

    Returns the outputs of each state, of one row, or None for a state that is still silent.
    """
    if not tasks:
        return []
    states: Any
    states, images = zip(*tasks)
    return tasks[0][0].advance(backend, states, images)


def _shared_state(rows: Sequence[Row[State]]) -> Optional[State]:
    """The network state that consists of exactly these rows in this order, or None."""
    first = rows[0]
    if first is None or first[0].rows != len(rows):
        return None
    state = first[0]
    matches = all(row is not None and row[0] is state and row[1] == index for index, row in enumerate(rows))
    return state if matches else None
