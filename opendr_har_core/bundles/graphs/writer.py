"""Writer of ONNX graphs, with a method for each operator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from opendr_har_core.bundles.metadata import BATCH
from opendr_har_core.errors import ModelError
from opendr_har_core.storage.atomic import atomic_path, remove_abandoned

# Old enough for ONNX Runtime on Ubuntu 20.04 with Python 3.8.
OPSET, IR_VERSION = 13, 7
DTYPES = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}


@dataclass(frozen=True)
class Feature:
    """A float tensor (N, width, side, side) in the graph."""

    name: str
    width: int
    side: int

    @property
    def shape(self) -> Tuple[int, int, int]:
        """(width, side, side), without the batch."""
        return self.width, self.side, self.side


@dataclass(frozen=True)
class ConvWeights:
    """Stored weights of a 2-D convolution, for any number of convolutions."""

    weight: str
    bias: Optional[str]
    width: int
    kernel: int
    groups: int = 1


class GraphWriter:
    """Collects nodes, weights, inputs and outputs, then builds and checks a model."""

    def __init__(self) -> None:
        self._nodes: List[onnx.NodeProto] = []
        self._weights: Dict[str, onnx.TensorProto] = {}
        self._inputs: List[onnx.ValueInfoProto] = []
        self._outputs: List[onnx.ValueInfoProto] = []
        self._output_names: Dict[str, str] = {}

    def input(self, name: str, dtype: str, shape: Sequence[int]) -> str:
        """Declare an input of shape (batch, *shape)."""
        self._inputs.append(helper.make_tensor_value_info(name, DTYPES[dtype], [BATCH, *shape]))
        return name

    def output(self, name: str, tensor: str, shape: Sequence[int]) -> None:
        """Declare `tensor`, the output of an operator, as float output `name` of shape (batch, *shape).

        The tensor is renamed, not copied, unless it is an output already.
        """
        if tensor in self._output_names:
            self._nodes.append(helper.make_node("Identity", [tensor], [name], name=name))
        else:
            self._output_names[tensor] = name
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *shape]))

    def weight(self, name: str, values: np.ndarray) -> str:
        """Store an array under `name`, once."""
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def integers(self, values: Sequence[int]) -> str:
        """An int64 vector; equal ones are stored once."""
        return self.weight("int64." + "_".join(str(value) for value in values), np.array(values, np.int64))

    def apply(self, operator: str, *inputs: str, name: str, **attributes: object) -> str:
        """Add an operator with one output `name`; returns `name`."""
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, tensor: str, lengths: Sequence[int], axis: int, name: str) -> List[str]:
        """Split `tensor` into parts of these lengths along `axis`."""
        names = [f"{name}{index}" for index in range(len(lengths))]
        inputs = [tensor, self.integers(lengths)]
        self._nodes.append(helper.make_node("Split", inputs, names, name=f"{tensor}.split", axis=axis))
        return names

    def conv_weights(
        self, name: str, weight: np.ndarray, bias: Optional[np.ndarray] = None, groups: int = 1
    ) -> ConvWeights:
        """Store float32 weights (out, in/groups, k, k) and a bias (out,)."""
        stored_bias = None if bias is None else self.weight(f"{name}.bias", bias)
        return ConvWeights(self.weight(f"{name}.weight", weight), stored_bias, weight.shape[0], weight.shape[2], groups)

    def conv(self, x: Feature, weights: ConvWeights, name: str, stride: int = 1) -> Feature:
        """A 2-D convolution, zero-padded by k // 2."""
        inputs = [x.name, weights.weight] + ([weights.bias] if weights.bias else [])
        attributes = {
            "kernel_shape": [weights.kernel] * 2,
            "strides": [stride] * 2,
            "pads": [weights.kernel // 2] * 4,
            "group": weights.groups,
        }
        out = self.apply("Conv", *inputs, name=name, **attributes)
        return Feature(out, weights.width, (x.side + stride - 1) // stride)

    def linear(self, x: str, name: str, weight: np.ndarray, bias: Optional[np.ndarray] = None) -> str:
        """(N, in) -> (N, out) with weights (out, in)."""
        inputs = [x, self.weight(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        return self.apply("Gemm", *inputs, name=name, transB=1)

    def map(self, operator: str, x: Feature, name: str) -> Feature:
        """An elementwise operator with one input, such as Relu."""
        return Feature(self.apply(operator, x.name, name=name), x.width, x.side)

    def combine(self, operator: str, x: Feature, y: Feature, name: str) -> Feature:
        """An elementwise operator with two inputs, such as Add."""
        return Feature(self.apply(operator, x.name, y.name, name=name), x.width, x.side)

    def swish(self, x: Feature) -> Feature:
        """x * sigmoid(x)."""
        return self.combine("Mul", x, self.map("Sigmoid", x, f"{x.name}.sigmoid"), f"{x.name}.swish")

    def pool(self, x: Feature) -> Feature:
        """Mean over space, (N, width, 1, 1)."""
        return Feature(self.apply("GlobalAveragePool", x.name, name=f"{x.name}.pooled"), x.width, 1)

    def spread(self, x: Feature, side: int) -> Feature:
        """(N, width, 1, 1) repeated over (side, side)."""
        scales = self.weight(f"spread.{side}", np.array([1, 1, side, side], np.float32))
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return Feature(self.apply("Resize", x.name, "", scales, name=f"{x.name}.spread", **attributes), x.width, side)

    def reshape(self, tensor: str, shape: Sequence[int], name: str) -> str:
        """A tensor of another shape; -1 is the batch."""
        return self.apply("Reshape", tensor, self.integers(shape), name=name)

    def model(self, properties: Mapping[str, str], producer: Tuple[str, str]) -> onnx.ModelProto:
        """The finished, checked model."""
        for node in self._nodes:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    names[index] = self._output_names.get(name, name)
        graph = helper.make_graph(
            self._nodes, "opendr_har", self._inputs, self._outputs, initializer=list(self._weights.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=producer[0],
            producer_version=producer[1],
        )
        helper.set_model_props(model, dict(properties))
        onnx.checker.check_model(model, full_check=True)
        return model


def write_model(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model atomically; raises ModelError if the file can't be written."""
    try:
        remove_abandoned(path.parent)
        with atomic_path(path) as temporary:
            temporary.write_bytes(model.SerializeToString())
    except OSError as error:
        raise ModelError(f"can't write the bundle {path}: {error}") from None
    return path
