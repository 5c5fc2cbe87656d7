"""The order of operators: whatever it was, it can run, and past and present meet."""

from __future__ import annotations

import pytest

onnx = pytest.importorskip("onnx")

from opendr_har_core.bundles.graphs.node_order import keep_caches_warm


def order_of(*nodes):
    """The order of operators "name: inputs" after reordering; each makes a tensor of its name."""
    made = [
        onnx.helper.make_node("Sum", inputs.split(), [name]) for name, _, inputs in (n.partition(": ") for n in nodes)
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph(made, "g", [], []))
    keep_caches_warm(model)
    return [node.output[0] for node in model.graph.node]


def test_the_past_comes_right_before_the_present_and_states_are_written_at_once():
    assert order_of(
        "old: state.a.0",
        "planes: frames",
        "new: planes",
        "sum: new old",
        "probabilities: sum",
        "next.b: new",
    ) == ["planes", "old", "new", "next.b", "sum", "probabilities"]


def test_a_chain_of_states_and_one_that_nothing_else_reads_stay_in_order():
    nodes = ["older: state.a.1", "old: state.a.0 older", "next.b: state.b.0", "new: frames", "sum: new old"]
    assert order_of(*nodes) == ["older", "old", "new", "sum", "next.b"]


def test_a_state_that_needs_more_than_its_input_waits_for_it():
    nodes = ["a: frames", "b: a", "next.s: a b", "probabilities: b"]
    assert order_of(*nodes) == ["a", "b", "next.s", "probabilities"]
