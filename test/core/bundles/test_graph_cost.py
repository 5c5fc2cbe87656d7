"""The cost of a graph: counted by hand, and next to the published figures."""

from __future__ import annotations

import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.bundles.graph_cost import graph_cost
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D

# SlowFast's model zoo: "FLOPs (G)" of one clip at the size of training, and "#params".
PUBLISHED = {"xs": (3_794_322, 0.60e9), "s": (3_794_322, 1.96e9), "m": (3_794_322, 4.73e9)}


@pytest.mark.parametrize("size", sorted(PUBLISHED))
def test_an_x3d_costs_what_was_published(size, tmp_path):
    cost = graph_cost(export_bundle(X3D(x3d_config(size)), tmp_path / "x3d.onnx", source="a test"))
    assert cost == pytest.approx(PUBLISHED[size], rel=0.02)
