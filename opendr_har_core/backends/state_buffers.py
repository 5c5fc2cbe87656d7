"""State of a stepping graph in rotating buffers, so that a step copies and allocates no state.

A graph's state is a set of queues: inputs `state.<queue>.0` (the newest entry) to `state.<queue>.<depth - 1>`, and an
output `next.<queue>` that enters the queue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from opendr_har_core.backends.protocol import Array, Outputs
from opendr_har_core.errors import ModelError
from opendr_har_core.spec import ModelSpec

# A queue has a buffer for each entry and one that the step writes. With these numbers of buffers, all queues are back
# in their first position after TURNS steps, so TURNS sets of I/O bindings suffice.
BUFFER_COUNTS = (2, 3, 6)
TURNS = 6
LARGEST_STATE_BYTES = 1 << 30
FLOATS_PER_CACHE_LINE = 16  # also the widest vector


@dataclass(frozen=True)
class BufferSpec:
    """Buffers of one queue.

    Attributes:
        name: of the queue.
        depth: number of past entries that a step reads.
        shape: of one entry of one stream.
        delay: number of steps for which the entries stay zero.
    """

    name: str
    depth: int
    shape: Tuple[int, ...]
    delay: int

    @property
    def count(self) -> int:
        """Number of buffers that rotate."""
        return next(count for count in BUFFER_COUNTS if count > self.depth)


def buffer_specs(shapes: Mapping[str, Sequence[int]], delays: Mapping[str, int]) -> List[BufferSpec]:
    """Buffers for state inputs named `<queue>.<index>` with these shapes (without the batch).

    Raises ModelError for a queue whose indices are not 0, 1, 2, ..., that is too deep or whose entries differ, and for
    a state that is too large.
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
    specs = [BufferSpec(name, depth, tuple(shapes[f"{name}.0"]), delays.get(name, 0)) for name, depth in depths.items()]
    for spec in specs:
        entries = [tuple(shapes[f"{spec.name}.{index}"]) for index in range(spec.depth)]
        if set(entries) != {spec.shape} or not all(isinstance(side, int) and side > 0 for side in spec.shape):
            raise ModelError(f"the entries of the queue {spec.name!r} have shapes {entries}, expected equal numbers")
    floats = sum(math.prod(spec.shape) * spec.count for spec in specs)
    if 4 * floats > LARGEST_STATE_BYTES:
        raise ModelError(f"the graph's state takes {4 * floats} bytes per stream, the limit is {LARGEST_STATE_BYTES}")
    return specs


class BufferedState:
    """State of one or more streams (rows), and the buffers of a step's frames and outputs."""

    def __init__(self, specs: Sequence[BufferSpec], spec: ModelSpec, rows: int, features: int = 0) -> None:
        """Zeros: all rows are before their first frame. `features` is the number of features that the graph gives."""
        self.rows = rows
        self.ages = [0] * rows
        self.frames = np.zeros((rows, spec.image_size, spec.image_size, 3), np.uint8)
        self.outputs = Outputs(
            np.zeros((rows, spec.num_classes), np.float32), np.zeros((rows, features), np.float32) if features else None
        )
        # Bindings to a session, by turn.
        self.bound_to: Any = None
        self.bindings: Dict[int, Any] = {}
        self._specs = specs
        self._longest_delay = max((spec.delay for spec in specs), default=0)
        self._buffers = _allocate(specs, rows)
        self._steps = 0

    @property
    def turn(self) -> int:
        """Index of the bindings that the next step needs."""
        return self._steps % TURNS

    def entry(self, spec: BufferSpec, index: int) -> Array:
        """The entry put `index` + 1 steps ago, (rows, ...)."""
        return self._buffers[spec.name][(self._steps - 1 - index) % spec.count]

    def entering(self, spec: BufferSpec) -> Array:
        """The buffer that the next step writes, (rows, ...)."""
        return self._buffers[spec.name][self._steps % spec.count]

    def advance(self) -> None:
        """Make what a successful step has written the newest entry."""
        if min(self.ages) < self._longest_delay:
            self._keep_delayed_at_zero()
        self._steps += 1
        self.ages = [age + 1 for age in self.ages]

    def _keep_delayed_at_zero(self) -> None:
        for spec in self._specs:
            for row, age in enumerate(self.ages):
                if age < spec.delay:
                    self.entering(spec)[row] = 0

    def copy_row(self, row: int, source: BufferedState, source_row: int) -> None:
        """Copy one stream from another state of the same graph."""
        self.ages[row] = source.ages[source_row]
        for spec in self._specs:
            for index in range(spec.depth):
                self.entry(spec, index)[row] = source.entry(spec, index)[source_row]


def _allocate(specs: Sequence[BufferSpec], rows: int) -> Dict[str, List[Array]]:
    """Zeros in one piece of memory, which the system can back with large pages; each buffer starts at a cache line, as
    vector loads that straddle two lines take twice as long.
    """
    lengths = [-(-rows * math.prod(spec.shape) // FLOATS_PER_CACHE_LINE) * FLOATS_PER_CACHE_LINE for spec in specs]
    needed = sum(length * spec.count for length, spec in zip(lengths, specs))
    memory = np.zeros(needed + FLOATS_PER_CACHE_LINE, np.float32)
    position = -(memory.ctypes.data // 4) % FLOATS_PER_CACHE_LINE
    buffers: Dict[str, List[Array]] = {}
    for length, spec in zip(lengths, specs):
        shape = (rows, *spec.shape)
        buffers[spec.name] = []
        for _ in range(spec.count):
            buffers[spec.name].append(memory[position : position + math.prod(shape)].reshape(shape))
            position += length
    return buffers
