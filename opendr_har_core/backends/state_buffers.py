"""State of a stepping graph in buffers that change places, so that a step copies and allocates no state.

A graph's state is a set of queues: inputs `state.<queue>.0` (the newest entry) to `state.<queue>.<depth - 1>`, and an
output `next.<queue>` that enters the queue. A step writes into buffers of its own. They become the state's newest
entries, and the oldest ones become those of the next step, which may be that of another state.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from opendr_har_core.backends.protocol import Array, Outputs
from opendr_har_core.backends.session import ort
from opendr_har_core.errors import ModelError
from opendr_har_core.spec import ModelSpec

DEEPEST = 5
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


def buffer_specs(shapes: Mapping[str, Sequence[int]], delays: Mapping[str, int]) -> List[BufferSpec]:
    """Buffers for state inputs named `<queue>.<index>` with these shapes (without the batch).

    Raises ModelError for a queue whose indices are not 0, 1, 2, ..., that is too deep or whose entries differ, and for
    a state that is too large.
    """
    depths: Dict[str, int] = {}
    for name in shapes:
        queue, _, index = name.rpartition(".")
        if index != str(depths.get(queue, 0)) or int(index) >= DEEPEST:
            raise ModelError(f"the state input {name!r} does not fit a queue of at most {DEEPEST} entries")
        depths[queue] = int(index) + 1
    unknown = sorted(set(delays) - set(depths))
    if unknown:
        raise ModelError(f"the metadata delays queues that the graph does not have: {unknown}")
    specs = [BufferSpec(name, depth, tuple(shapes[f"{name}.0"]), delays.get(name, 0)) for name, depth in depths.items()]
    for spec in specs:
        entries = [tuple(shapes[f"{spec.name}.{index}"]) for index in range(spec.depth)]
        if set(entries) != {spec.shape} or not all(isinstance(side, int) and side > 0 for side in spec.shape):
            raise ModelError(f"the entries of the queue {spec.name!r} have shapes {entries}, expected equal numbers")
    floats = sum(math.prod(spec.shape) * spec.depth for spec in specs)
    if 4 * floats > LARGEST_STATE_BYTES:
        raise ModelError(f"the graph's state takes {4 * floats} bytes per stream, the limit is {LARGEST_STATE_BYTES}")
    return specs


class Block:
    """Buffers for one entry of each of some queues.

    Attributes:
        arrays: zeros, float32 (rows, ...) by the queue's name; in one piece of memory, which the system can back with
            large pages. Each starts at a cache line, as vector loads that straddle two lines take twice as long.
        values: the same buffers for ONNX Runtime.
    """

    def __init__(self, specs: Sequence[BufferSpec], rows: int) -> None:
        lengths = [-(-rows * math.prod(spec.shape) // FLOATS_PER_CACHE_LINE) * FLOATS_PER_CACHE_LINE for spec in specs]
        memory = np.zeros(sum(lengths) + FLOATS_PER_CACHE_LINE, np.float32)
        position = -(memory.ctypes.data // 4) % FLOATS_PER_CACHE_LINE
        self.arrays: Dict[str, Array] = {}
        for length, spec in zip(lengths, specs):
            shape = (rows, *spec.shape)
            self.arrays[spec.name] = memory[position : position + math.prod(shape)].reshape(shape)
            position += length
        self.values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in self.arrays.items()}


class StepBuffers:
    """What a step takes besides a state, and what it writes; not bound to a state.

    Attributes:
        frames: uint8 (rows, S, S, 3).
        outputs: of the network.
        frames_value, output_values: the same for ONNX Runtime.
        written: the new entry of each queue, in a block for each depth of queues.
    """

    def __init__(self, specs: Sequence[BufferSpec], spec: ModelSpec, rows: int, features: int = 0) -> None:
        """`features` is the number of features that the graph gives."""
        self.frames = np.zeros((rows, spec.image_size, spec.image_size, 3), np.uint8)
        self.outputs = Outputs(
            np.zeros((rows, spec.num_classes), np.float32), np.zeros((rows, features), np.float32) if features else None
        )
        self.frames_value = ort.OrtValue.ortvalue_from_numpy(self.frames)
        self.output_values = [ort.OrtValue.ortvalue_from_numpy(array) for array in self.outputs if array is not None]
        self.written = {depth: Block(queues, rows) for depth, queues in _by_depth(specs).items()}
        self._user: Tuple[Any, Any] = (None, lambda: None)
        self._bindings: Dict[Tuple[int, ...], Any] = {}

    def bindings_of(self, session: Any, state: BufferedState) -> Dict[Tuple[int, ...], Any]:
        """Bindings to a session by the places of a state's buffers; empty if the last step was that of another."""
        if self._user[0] is not session or self._user[1]() is not state:
            self._user, self._bindings = (session, weakref.ref(state)), {}
        return self._bindings


class BufferedState:
    """State of one or more streams (rows)."""

    def __init__(self, specs: Sequence[BufferSpec], rows: int) -> None:
        """Zeros: all rows are before their first frame."""
        self.rows = rows
        self.ages = [0] * rows
        self._specs = specs
        self._longest_delay = max((spec.delay for spec in specs), default=0)
        queues = _by_depth(specs)
        # Newest first.
        self._blocks = {depth: [Block(queues[depth], rows) for _ in range(depth)] for depth in queues}

    def entry(self, spec: BufferSpec, index: int) -> Array:
        """The entry put `index` + 1 steps ago, (rows, ...)."""
        return self._blocks[spec.depth][index].arrays[spec.name]

    @property
    def places(self) -> Tuple[int, ...]:
        """Which buffers the entries are in; the same again after some steps, unless other states step in between."""
        return tuple(id(block) for entries in self._blocks.values() for block in entries)

    def value(self, spec: BufferSpec, index: int) -> Any:
        """The same for ONNX Runtime."""
        return self._blocks[spec.depth][index].values[spec.name]

    def advance(self, buffers: StepBuffers) -> None:
        """Make what a successful step has written the newest entries, and give the oldest ones in exchange."""
        if min(self.ages) < self._longest_delay:
            self._keep_delayed_at_zero(buffers)
        for depth, entries in self._blocks.items():
            entries.insert(0, buffers.written[depth])
            buffers.written[depth] = entries.pop()
        self.ages = [age + 1 for age in self.ages]

    def _keep_delayed_at_zero(self, buffers: StepBuffers) -> None:
        for spec in self._specs:
            for row, age in enumerate(self.ages):
                if age < spec.delay:
                    buffers.written[spec.depth].arrays[spec.name][row] = 0

    def copy_row(self, row: int, source: BufferedState, source_row: int) -> None:
        """Copy one stream from another state of the same graph."""
        self.ages[row] = source.ages[source_row]
        for spec in self._specs:
            for index in range(spec.depth):
                self.entry(spec, index)[row] = source.entry(spec, index)[source_row]


def _by_depth(specs: Sequence[BufferSpec]) -> Dict[int, List[BufferSpec]]:
    return {depth: [spec for spec in specs if spec.depth == depth] for depth in {spec.depth for spec in specs}}
