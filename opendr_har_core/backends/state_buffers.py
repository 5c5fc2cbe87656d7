"""The state of a stepping graph as queues of buffers that rotate, so that no step copies or allocates any."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import ModelError
from opendr_har_core.spec import ModelSpec

Array = np.ndarray

# A queue of depth d has a buffer for each entry and one that the step writes. With these numbers of buffers all queues
# are back where they began after TURNS steps, so that TURNS sets of bindings, made once, serve for ever.
BUFFER_COUNTS = (2, 3, 6)
TURNS = 6
LARGEST_STATE_BYTES = 1 << 30
# Floats in a cache line, which is also the widest vector.
LINE_FLOATS = 16


@dataclass(frozen=True)
class BufferSpec:
    """One queue of a graph's state.

    Attributes:
        name: as in the graph's `state.<name>.<index>` and `next.<name>`.
        depth: number of past entries that a step reads.
        shape: of one entry of one stream.
        delay: number of steps for which the queue stays zero.
    """

    name: str
    depth: int
    shape: Tuple[int, ...]
    delay: int

    @property
    def buffers(self) -> int:
        """Number of buffers that rotate."""
        return next(count for count in BUFFER_COUNTS if count > self.depth)


def buffer_specs(shapes: Mapping[str, Sequence[int]], delays: Mapping[str, int]) -> List[BufferSpec]:
    """The queues behind state inputs named `<queue>.<index>` with these shapes (without the batch).

    Raises ModelError where the indices of a queue are not 0, 1, 2, ... or go on for too long, where its entries differ,
    and where there is more state than there may be.
    """
    depths: Dict[str, int] = {}
    for name in shapes:
        queue, _, index = name.rpartition(".")
        if index != str(depths.get(queue, 0)) or int(index) + 1 >= BUFFER_COUNTS[-1]:
            raise ModelError(
                f"the state input {name!r} does not fit a queue of at most {BUFFER_COUNTS[-1] - 1} entries"
            )
        depths[queue] = int(index) + 1
    unknown = sorted(set(delays) - set(depths))
    if unknown:
        raise ModelError(f"the metadata delays queues that the graph does not have: {unknown}")
    queues = [
        BufferSpec(name, depth, tuple(shapes[f"{name}.0"]), delays.get(name, 0)) for name, depth in depths.items()
    ]
    for spec in queues:
        _check_shapes(spec, [tuple(shapes[f"{spec.name}.{index}"]) for index in range(spec.depth)])
    floats = sum(math.prod(spec.shape) * spec.buffers for spec in queues)
    if 4 * floats > LARGEST_STATE_BYTES:
        raise ModelError(f"the graph's state takes {4 * floats} bytes for a stream, over {LARGEST_STATE_BYTES}")
    return queues


def _check_shapes(queue: BufferSpec, shapes: Sequence[Tuple[int, ...]]) -> None:
    sound = all(isinstance(side, int) and side > 0 for side in queue.shape)
    if not sound or any(shape != queue.shape for shape in shapes):
        raise ModelError(f"the entries of the queue {queue.name!r} have the shapes {shapes}, expected one of numbers")


class BufferedState:
    """The queues of one or more streams (rows), with the buffers for a step's frames and probabilities beside them."""

    def __init__(self, queues: Sequence[BufferSpec], spec: ModelSpec, rows: int) -> None:
        """Rows before their first frame: all zeros."""
        self.rows = rows
        self.ages = [0] * rows
        self.frames = np.zeros((rows, spec.image_size, spec.image_size, 3), np.uint8)
        self.probabilities = np.zeros((rows, spec.num_classes), np.float32)
        self._bindings: List[Optional[Any]] = [None] * TURNS
        self._bound_to: Any = None
        self._queues = queues
        self._longest_delay = max((queue.delay for queue in queues), default=0)
        self._buffers = _buffers(queues, rows)
        self._steps = 0

    @property
    def turn(self) -> int:
        """Which set of bindings the next step needs."""
        return self._steps % TURNS

    def bindings_of(self, session: Any) -> List[Optional[Any]]:
        """The bindings to a session, None for turns that are not bound yet; those to another one are forgotten."""
        if session is not self._bound_to:
            self._bound_to, self._bindings = session, [None] * TURNS
        return self._bindings

    def entry(self, queue: BufferSpec, index: int) -> Array:
        """The entry put `index` + 1 steps ago, (rows, ...)."""
        return self._buffers[queue.name][(self._steps - 1 - index) % queue.buffers]

    def entering(self, queue: BufferSpec) -> Array:
        """The buffer that the next step writes, (rows, ...)."""
        return self._buffers[queue.name][self._steps % queue.buffers]

    def advance(self) -> None:
        """The step has succeeded: what it wrote is now the newest entry."""
        if min(self.ages) < self._longest_delay:
            self._keep_delayed_at_zero()
        self._steps += 1
        self.ages = [age + 1 for age in self.ages]

    def _keep_delayed_at_zero(self) -> None:
        for queue in self._queues:
            for row, age in enumerate(self.ages):
                if age < queue.delay:
                    self.entering(queue)[row] = 0

    def copy_row(self, row: int, source: BufferedState, source_row: int) -> None:
        """Take over one stream from another state of the same graph."""
        self.ages[row] = source.ages[source_row]
        for queue in self._queues:
            for index in range(queue.depth):
                self.entry(queue, index)[row] = source.entry(queue, index)[source_row]


def _buffers(queues: Sequence[BufferSpec], rows: int) -> Dict[str, List[Array]]:
    """Zeros for all queues in one piece of memory, which the system can back with large pages, each at the start of a
    cache line: vector loads that straddle two lines take twice as long.
    """
    lengths = [-(-rows * math.prod(queue.shape) // LINE_FLOATS) * LINE_FLOATS for queue in queues]
    needed = sum(length * queue.buffers for length, queue in zip(lengths, queues))
    memory = np.zeros(needed + LINE_FLOATS, np.float32)
    position = -(memory.ctypes.data // 4) % LINE_FLOATS
    buffers: Dict[str, List[Array]] = {}
    for length, queue in zip(lengths, queues):
        shape = (rows, *queue.shape)
        buffers[queue.name] = []
        for _ in range(queue.buffers):
            buffers[queue.name].append(memory[position : position + math.prod(shape)].reshape(shape))
            position += length
    return buffers
