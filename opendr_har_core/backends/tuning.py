"""Tuning: a copy of a CoX3D bundle whose state stays in the memory layout of ONNX Runtime's convolutions.

On x86, ONNX Runtime convolves in blocks of 8 or 16 channels and reorders the state into blocks before each step and
back after it, which is up to a third of the work. A tuned bundle omits both. It holds the graph as ONNX Runtime rewrote
it, with internal operators, so it runs only with that version and kind of processor, and is refused elsewhere.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Sequence, Set, Union

import numpy as np
import onnx
from onnx import ModelProto, NodeProto

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.session import open_session, session_settings, this_machine
from opendr_har_core.bundles.graphs.writer import write_model
from opendr_har_core.bundles.metadata import BATCH, ENTERING, NEXT, STATE
from opendr_har_core.errors import ModelError

REORDER_IN, REORDER_OUT = "ReorderInput", "ReorderOutput"
CHECKED_STEPS = 3
TOLERANCE = 1e-5


@dataclass(frozen=True)
class TuningReport:
    """Result of `tune_bundle`.

    Attributes:
        path: the tuned bundle.
        state_buffers: number of queues of the state that now stay in blocks.
        difference: largest change of a probability over a few steps.
    """

    path: Path
    state_buffers: int
    difference: float


def tune_bundle(source: Union[str, Path], target: Union[str, Path]) -> TuningReport:
    """Write a tuned copy of the CoX3D bundle `source` to `target`, atomically, after comparing it with the original.

    Raises ModelError for a bundle of an X3D or one that is tuned already, if ONNX Runtime uses the plain layout on this
    machine, and if the copy gives other probabilities.
    """
    source, target = Path(source), Path(target)
    original = OnnxBackend(source)
    if original.metadata.tuned_for:
        tuned_for = original.metadata.tuned_for
        raise ModelError(f"{source} is tuned already, for {tuned_for}; tune the bundle it was made from")
    if not original.spec.is_continual:
        raise ModelError(f"{source} is an {original.spec.name}, which has no state; only a cox3d can be tuned")
    with tempfile.TemporaryDirectory() as folder:
        rewritten = Path(folder) / "rewritten.onnx"
        open_session(source, session_settings(), rows=1, save_optimized=rewritten)
        model = onnx.load(rewritten, load_external_data=False)
        queues = _keep_blocks(model)
        _fuse_swish(model)
        keep_caches_warm(model)
        if queues == 0:
            raise ModelError(f"{this_machine()} convolves in the plain layout; {source} can't get faster here")
        onnx.helper.set_model_props(model, replace(original.metadata, tuned_for=this_machine()).to_properties())
        candidate = write_model(model, Path(folder) / "tuned.onnx")
        difference = _difference(original, OnnxBackend(candidate))
    if difference > TOLERANCE:
        raise ModelError(f"tuning {source} changed its probabilities by {difference:.2g}; please report this")
    return TuningReport(write_model(model, target), queues, difference)


def _keep_blocks(model: ModelProto) -> int:
    """Remove the reordering of all states where that is possible; returns their number."""
    graph = _Edges(model)
    kept = 0
    for output in list(model.graph.output):
        if output.name.startswith(NEXT) and graph.can_stay_in_blocks(output.name):
            graph.keep_in_blocks(output.name)
            kept += 1
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    del model.graph.value_info[:]
    return kept


def _fuse_swish(model: ModelProto) -> None:
    """Compute x * sigmoid(x) in one pass over memory, by an operator that takes any layout.

    ONNX Runtime would fuse it earlier, before the convolutions have their layout.
    """
    edges = _Edges(model)
    for sigmoid in [node for node in model.graph.node if node.op_type == "Sigmoid"]:
        edges.fuse_with_product(sigmoid)


class _Edges:
    """A graph indexed by producers and consumers of tensors."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self.producer: Dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
        self.consumers: Dict[str, List[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def followers(self, node: NodeProto) -> List[NodeProto]:
        """Operators that read an output of `node`."""
        return [follower for name in node.output for follower in self.consumers.get(name, [])]

    def can_stay_in_blocks(self, output: str) -> bool:
        """Whether only a reordering lies between a queue and the convolution that writes it, and its readers."""
        if output in self.consumers:  # a narrow convolution reads the plain layout
            return False
        writer = self.producer[output]
        if writer.op_type != REORDER_OUT or self.producer[writer.input[0]].op_type != "Conv":
            return False
        readers = [reader for name in self._inputs_of(output) for reader in self.consumers[name]]
        return bool(readers) and all(reader.op_type == REORDER_IN for reader in readers)

    def keep_in_blocks(self, output: str) -> None:
        """Remove the reorderings of a queue, which then has the shape of the convolution that writes it."""
        writer = self.producer[output]
        convolution = self.producer[writer.input[0]]
        self._rename(writer.input[0], output)
        self._graph.node.remove(writer)
        channels = next(w.dims[0] for w in self._graph.initializer if w.name == convolution.input[1])
        self._set_channels(output, channels)
        for name in self._inputs_of(output):
            for reader in self.consumers[name]:
                self._graph.node.remove(reader)
                self._rename(self._past_entering(reader.output[0]), name)
            self._set_channels(name, channels)

    def fuse_with_product(self, sigmoid: NodeProto) -> None:
        """Fuse a sigmoid with a multiplication by its own input, if that follows."""
        followers, x = self.followers(sigmoid), sigmoid.input[0]
        if len(followers) != 1 or followers[0].op_type != "Mul" or x not in followers[0].input:
            return
        product = followers[0]
        swish = onnx.helper.make_node(
            "QuickGelu", [x], list(product.output), name=product.name, domain="com.microsoft", alpha=1.0
        )
        self._graph.node.insert(list(self._graph.node).index(product), swish)
        self._graph.node.remove(product)
        self._graph.node.remove(sigmoid)

    def _inputs_of(self, output: str) -> List[str]:
        prefix = f"{STATE}{output[len(NEXT) :]}."
        return [value.name for value in self._graph.input if value.name.startswith(prefix)]

    def _past_entering(self, tensor: str) -> str:
        """`tensor`, or the output of an operator on it that only serves to get it into blocks, which is removed."""
        consumers = self.consumers[tensor]
        if len(consumers) == 1 and ENTERING in consumers[0].name:
            self._graph.node.remove(consumers[0])
            return str(consumers[0].output[0])
        return tensor

    def _rename(self, tensor: str, name: str) -> None:
        for node in [self.producer.get(tensor), *self.consumers.get(tensor, [])]:
            for names in (node.input, node.output) if node else ():
                for index, old in enumerate(names):
                    if old == tensor:
                        names[index] = name

    def _set_channels(self, name: str, channels: int) -> None:
        for value in [*self._graph.input, *self._graph.output]:
            if value.name == name:
                value.type.tensor_type.shape.dim[1].dim_value = channels


def keep_caches_warm(model: ModelProto) -> None:
    """Reorder the operators of a model, in topological order, to use each tensor while it is in the caches.

    An operator that only writes a state directly follows the one that it reads. An operator that only reads states
    directly precedes the one whose result it is combined with. ONNX Runtime's default order writes the state at the end
    of a step, when the inputs have left the caches; our sessions follow the order of the file.
    """
    edges, nodes = _Edges(model), list(model.graph.node)
    past = _reading_only_states(edges, nodes)
    ordered: Dict[str, NodeProto] = {}  # by first output

    def put(node: NodeProto) -> None:
        ordered.setdefault(node.output[0], node)

    def put_the_past_of(node: NodeProto) -> None:
        for name in node.input:
            if name in past and edges.producer[name].output[0] not in ordered:
                put_the_past_of(edges.producer[name])
                put(edges.producer[name])

    for node in nodes:
        followers = edges.followers(node)
        if node.output[0] in past or not followers:
            continue
        for follower in followers:
            put_the_past_of(follower)
        put_the_past_of(node)
        put(node)
        for follower in followers:
            made = [edges.producer[name].output[0] for name in follower.input if name in edges.producer]
            if not edges.followers(follower) and all(name in ordered for name in made):
                put(follower)
    for node in nodes:
        put(node)
    del model.graph.node[:]
    model.graph.node.extend(ordered.values())


def _reading_only_states(edges: _Edges, nodes: Sequence[NodeProto]) -> Set[str]:
    """Tensors that are computed from nothing but states."""
    found: Set[str] = set()
    for node in nodes:
        made = [name for name in node.input if name in edges.producer]
        reads_state = any(name.startswith(STATE) for name in node.input)
        if all(name in found for name in made) and (made or reads_state):
            found.update(node.output)
    return found


def _difference(original: OnnxBackend, tuned: OnnxBackend) -> float:
    """Largest difference of a probability over a few steps of noise, with one stream and with two."""
    rng = np.random.default_rng(0)
    side = original.spec.image_size
    largest = 0.0
    for rows in (1, 2):
        states = [backend.state([None] * rows) for backend in (original, tuned)]
        for _ in range(CHECKED_STEPS):
            frames = list(rng.integers(0, 256, (rows, side, side, 3), dtype=np.uint8))
            one, other = (backend.step(frames, state) for backend, state in zip((original, tuned), states))
            largest = max(largest, float(np.abs(one.probabilities - other.probabilities).max()))
    return largest
