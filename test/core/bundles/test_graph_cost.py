"""The cost of a graph: counted by hand, and next to the published figures."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.bundles.graph_cost import graph_cost
from opendr_har_core.bundles.quantization import quantize_bundle
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D

# SlowFast's model zoo: "FLOPs (G)" of one clip at the size of training, and "#params".
PUBLISHED = {"xs": (3_794_322, 0.60e9), "s": (3_794_322, 1.96e9), "m": (3_794_322, 4.73e9)}


def test_a_small_graph_is_counted_as_by_hand(tmp_path):
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    weights = {"w": (6, 2, 3, 3), "m": (6 * 5 * 5, 7), "g": (4, 7)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1], group=2),
        helper.make_node("Flatten", ["y"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["h"]),
        helper.make_node("Gemm", ["h", "g"], ["z"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", float32, ["batch", 4, 10, 10])],
        [helper.make_tensor_value_info("z", float32, ["batch", 4])],
        [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
    )
    path = tmp_path / "small.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.save(model, path)
    assert graph_cost(path) == (108 + 1050 + 28, 6 * 5 * 5 * 18 + 150 * 7 + 7 * 4)

    model.graph.node[0].domain = "com.microsoft.nchwc"  # as in a tuned bundle
    onnx.save(model, path)
    assert graph_cost(path) is None


@pytest.mark.parametrize("size", sorted(PUBLISHED))
def test_an_x3d_costs_what_was_published(size, tmp_path):
    cost = graph_cost(export_bundle(X3D(x3d_config(size)), tmp_path / "x3d.onnx", source="a test"))
    assert cost == pytest.approx(PUBLISHED[size], rel=0.02)


def test_weights_stored_in_fewer_bits_count_as_weights(real_bundle, tmp_path):
    whole = real_bundle("x3d", "xs")
    small = quantize_bundle(whole, tmp_path / "small.onnx").path
    assert graph_cost(small) == (pytest.approx(graph_cost(whole)[0], rel=1e-3), graph_cost(whole)[1])
