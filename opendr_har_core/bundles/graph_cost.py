"""Number of parameters and multiply-adds of a bundle's graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple, Union

import numpy as np

STANDARD_DOMAINS = ("", "ai.onnx")

Shapes = Dict[str, Tuple[int, ...]]


def graph_cost(path: Union[str, Path]) -> Optional[Tuple[int, int]]:
    """(parameters, multiply-adds of one evaluation at batch 1) of the convolutions and matrix products in a graph.

    Counts what the graph computes, with normalisations folded into the convolutions and channels padded to whole
    blocks: within 2 % of the published figures of X3D. Papers call one multiply-add one FLOP. None without the `onnx`
    package, for a tuned bundle (its operators are internal to ONNX Runtime), or where a shape can't be inferred.
    """
    try:
        import onnx
    except ImportError:
        return None
    model = onnx.load(str(path), load_external_data=False)
    if any(node.domain not in STANDARD_DOMAINS for node in model.graph.node):
        return None
    for node in model.graph.input:
        node.type.tensor_type.shape.dim[0].dim_value = 1
    for node in model.graph.output:
        node.type.tensor_type.ClearField("shape")
    shapes = _known_shapes(onnx.shape_inference.infer_shapes(model, data_prop=True).graph)
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8)
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type in kinds]
    try:
        total = sum(COUNTERS[node.op_type](node, shapes) for node in model.graph.node if node.op_type in COUNTERS)
    except KeyError:  # a tensor of unknown shape
        return None
    return sum(int(np.prod(tensor.dims)) for tensor in weights), total


def _known_shapes(graph: Any) -> Shapes:
    shapes: Shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for info in (*graph.input, *graph.value_info, *graph.output):
        dimensions = info.type.tensor_type.shape.dim
        if dimensions and all(dimension.HasField("dim_value") for dimension in dimensions):
            shapes[info.name] = tuple(dimension.dim_value for dimension in dimensions)
    return shapes


def _conv(node: Any, shapes: Shapes) -> int:
    """Each output value is a sum over one filter."""
    return int(np.prod(shapes[node.output[0]]) * np.prod(shapes[node.input[1]][1:]))


def _gemm(node: Any, shapes: Shapes) -> int:
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][0 if transposed else -1]


def _matmul(node: Any, shapes: Shapes) -> int:
    return int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][-1]


COUNTERS: Dict[str, Callable[[Any, Shapes], int]] = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}
