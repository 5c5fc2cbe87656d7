"""Tuning: a copy of a CoX3D bundle whose state stays in the memory layout of ONNX Runtime's convolutions.

On x86, ONNX Runtime convolves in blocks of 8 or 16 channels and reorders the state into blocks before each step and
back after it, which is up to a third of the work. A tuned bundle omits both. It holds the graph as ONNX Runtime rewrote
it, with internal operators, so it runs only with that version and kind of processor, and is refused elsewhere.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Union

import numpy as np
import onnx
from onnx import ModelProto, NodeProto

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.runtime import this_machine
from opendr_har_core.backends.session import open_session, session_settings
from opendr_har_core.bundles.graphs.node_order import keep_caches_warm
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
        self._weights = {weight.name: weight for weight in model.graph.initializer}
        self._producer: Dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
        self._consumers: Dict[str, List[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)

    def can_stay_in_blocks(self, output: str) -> bool:
        """Whether only a reordering lies between a queue and the convolution that writes it, and its readers."""
        if output in self._consumers:  # a narrow convolution reads the plain layout
            return False
        writer = self._producer[output]
        if writer.op_type != REORDER_OUT or self._producer[writer.input[0]].op_type != "Conv":
            return False
        readers = [reader for name in self._inputs_of(output) for reader in self._consumers[name]]
        return bool(readers) and all(reader.op_type == REORDER_IN for reader in readers)

    def keep_in_blocks(self, output: str) -> None:
        """Remove the reorderings of a queue, which then has the shape of the convolution that writes it."""
        writer = self._producer[output]
        convolution = self._producer[writer.input[0]]
        self._rename(writer.input[0], output)
        self._graph.node.remove(writer)
        channels = self._weights[convolution.input[1]].dims[0]
        self._set_channels(output, channels)
        for name in self._inputs_of(output):
            for reader in self._consumers[name]:
                self._graph.node.remove(reader)
                self._rename(self._past_entering(reader.output[0]), name)
            self._set_channels(name, channels)

    def fuse_with_product(self, sigmoid: NodeProto) -> None:
        """Fuse a sigmoid with a multiplication by its own input, if that follows."""
        followers, x = self._consumers.get(sigmoid.output[0], []), sigmoid.input[0]
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
        consumers = self._consumers[tensor]
        if len(consumers) == 1 and ENTERING in consumers[0].name:
            self._graph.node.remove(consumers[0])
            return str(consumers[0].output[0])
        return tensor

    def _rename(self, tensor: str, name: str) -> None:
        for node in [self._producer.get(tensor), *self._consumers.get(tensor, [])]:
            for names in (node.input, node.output) if node else ():
                for index, old in enumerate(names):
                    if old == tensor:
                        names[index] = name

    def _set_channels(self, name: str, channels: int) -> None:
        for value in [*self._graph.input, *self._graph.output]:
            if value.name == name:
                value.type.tensor_type.shape.dim[1].dim_value = channels


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
            largest = max(largest, float(np.abs(one - other).max()))
    return largest
