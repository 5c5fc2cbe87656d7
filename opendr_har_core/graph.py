"""A small writer of ONNX graphs: operators as method calls, names chosen for the reader of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Old enough for the ONNX Runtime of a robot that runs Ubuntu 20.04 and Python 3.8.
OPSET, IR_VERSION = 13, 7
BATCH = "batch"
DTYPES = {"uint8": TensorProto.UINT8, "int64": TensorProto.INT64, "float32": TensorProto.FLOAT}


@dataclass(frozen=True)
class Feature:
    """A float tensor (N, width, side, side) in the graph."""

    name: str
    width: int
    side: int


class GraphWriter:
    """Collects nodes, weights, inputs and outputs, then makes a checked model of them."""

    def __init__(self) -> None:
        self._nodes: List[onnx.NodeProto] = []
        self._weights: Dict[str, onnx.TensorProto] = {}
        self._inputs: List[onnx.ValueInfoProto] = []
        self._outputs: List[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: str, shape: Sequence[int]) -> str:
        """Declare an input of shape (batch, *shape)."""
        self._inputs.append(helper.make_tensor_value_info(name, DTYPES[dtype], [BATCH, *shape]))
        return name

    def output(self, name: str, tensor: str, dtype: str, shape: Sequence[int]) -> None:
        """Declare that `tensor` is the output `name` of shape (batch, *shape)."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"{name}.out"))
        self._outputs.append(helper.make_tensor_value_info(name, DTYPES[dtype], [BATCH, *shape]))

    def weight(self, name: str, values: np.ndarray) -> str:
        """Store an array under `name`, once."""
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def integers(self, values: Sequence[int]) -> str:
        """An int64 vector, shared by all that use the same one."""
        return self.weight("int64." + "_".join(str(value) for value in values), np.array(values, np.int64))

    def apply(self, operator: str, *inputs: str, name: str, **attributes: object) -> str:
        """Add an operator and return the name of its only output, which is `name`."""
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, tensor: str, sizes: Sequence[int], axis: int, names: Sequence[str]) -> List[str]:
        """Cut `tensor` into pieces along `axis`."""
        inputs = [tensor, self.integers(sizes)]
        self._nodes.append(helper.make_node("Split", inputs, list(names), name=f"{tensor}.split", axis=axis))
        return list(names)

    def conv(
        self, x: Feature, name: str, weight: np.ndarray, bias: Optional[np.ndarray] = None, stride: int = 1
    ) -> Feature:
        """A 2-D convolution with weights (out, in/groups, k, k), zero-padded by k // 2."""
        width, per_group, kernel, _ = weight.shape
        inputs = [x.name, self.weight(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        attributes = {
            "kernel_shape": [kernel, kernel],
            "strides": [stride, stride],
            "pads": [kernel // 2] * 4,
            "group": x.width // per_group,
        }
        out = self.apply("Conv", *inputs, name=name, **attributes)
        return Feature(out, width, (x.side + stride - 1) // stride)

    def linear(self, x: str, name: str, weight: np.ndarray, bias: Optional[np.ndarray] = None) -> str:
        """(N, in) -> (N, out) with weights (out, in)."""
        inputs = [x, self.weight(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        return self.apply("Gemm", *inputs, name=name, transB=1)

    def relu(self, x: Feature) -> Feature:
        """max(x, 0)."""
        return Feature(self.apply("Relu", x.name, name=f"{x.name}.relu"), x.width, x.side)

    def swish(self, x: Feature) -> Feature:
        """x * sigmoid(x)."""
        gate = self.apply("Sigmoid", x.name, name=f"{x.name}.sigmoid")
        return Feature(self.apply("Mul", x.name, gate, name=f"{x.name}.swish"), x.width, x.side)

    def add(self, x: Feature, y: Feature, name: str) -> Feature:
        """x + y."""
        return Feature(self.apply("Add", x.name, y.name, name=name), x.width, x.side)

    def reshape(self, tensor: str, shape: Sequence[int], name: str) -> str:
        """A tensor of another shape; -1 stands for the batch."""
        return self.apply("Reshape", tensor, self.integers(shape), name=name)

    def model(self, properties: Mapping[str, str], producer: Tuple[str, str]) -> onnx.ModelProto:
        """The finished, checked model."""
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
