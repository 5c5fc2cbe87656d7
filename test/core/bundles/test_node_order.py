"""Reordered operators stay in topological order, with states next to the operators that need them."""

from __future__ import annotations

import pytest

onnx = pytest.importorskip("onnx")

from opendr_har_core.backends.tuning import keep_caches_warm


def order_of(*nodes):
    """Order of the operators "name: inputs" after reordering."""
    made = [
        onnx.helper.make_node("Sum", inputs.split(), [name]) for name, _, inputs in (n.partition(": ") for n in nodes)
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph(made, "g", [], []))
    keep_caches_warm(model)
    return [node.output[0] for node in model.graph.node]


def test_states_are_read_just_in_time_and_written_at_once():
    assert order_of(
        "old: state.a.0",
        "planes: frames",
        "new: planes",
        "sum: new old",
        "probabilities: sum",
        "next.b: new",
    ) == ["planes", "old", "new", "next.b", "sum", "probabilities"]


def test_chains_of_states_stay_in_order():
    nodes = ["older: state.a.1", "old: state.a.0 older", "next.b: state.b.0", "new: frames", "sum: new old"]
    assert order_of(*nodes) == ["older", "old", "new", "sum", "next.b"]


def test_a_state_waits_for_all_of_its_inputs():
    nodes = ["a: frames", "b: a", "next.s: a b", "probabilities: b"]
    assert order_of(*nodes) == ["a", "b", "next.s", "probabilities"]
