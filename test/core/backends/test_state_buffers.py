"""State buffers and threads of a step: queues start with zeros, keep their order and can be copied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opendr_har_core.backends.state_buffers import BufferedState, StepBuffers, buffer_specs
from opendr_har_core.errors import ModelError
from opendr_har_core.spec import ModelSpec

SPEC = ModelSpec("cox3d", "tiny", 8, 3, 6, 5, num_classes=3)
SHAPES = {**{f"stem.{k}": (2,) for k in range(4)}, "block.0": (2,), "block.1": (2,), "skip.0": (1,)}
SPECS = buffer_specs(SHAPES, {"block": 3})
BUFFERS = {rows: StepBuffers(SPECS, SPEC, rows) for rows in (1, 2)}  # of all states


def put(state, *values):
    """A step for each value that writes it into every queue; a step never writes what it reads."""
    for value in values:
        for queue in SPECS:
            written = BUFFERS[state.rows].written[queue.depth].arrays[queue.name]
            read = {state.entry(queue, k).ctypes.data for k in range(queue.depth)}
            assert len(read | {written.ctypes.data}) == queue.depth + 1
            written[:] = value
        state.advance(BUFFERS[state.rows])


def entries(state, row=0):
    return {queue.name: [float(state.entry(queue, k)[row][0]) for k in range(queue.depth)] for queue in SPECS}


def test_a_queue_is_read_newest_first_and_starts_with_zeros():
    state = BufferedState(SPECS, 1)
    put(state, 1, 2)
    assert entries(state) == {"stem": [2, 1, 0, 0], "block": [0, 0], "skip": [2]}
    put(state, *range(3, 12))
    assert entries(state) == {"stem": [11, 10, 9, 8], "block": [11, 10], "skip": [11]}


def test_a_delayed_queue_stays_zero_for_its_delay_only():
    state, newest = BufferedState(SPECS, 1), []
    for value in range(1, 6):
        put(state, value)
        newest.append(entries(state)["block"])
    assert newest == [[0, 0], [0, 0], [0, 0], [4, 0], [5, 4]]


def test_a_row_is_copied_with_its_age_at_any_turn():
    source, target = BufferedState(SPECS, 2), BufferedState(SPECS, 2)
    put(source, *([[value], [10 * value]] for value in range(1, 5)))
    put(target, 77)
    target.copy_row(1, source, 1)
    assert entries(target, 1) == entries(source, 1)
    assert target.ages == [1, 4]
    assert entries(target, 0) == {"stem": [77, 0, 0, 0], "block": [0, 0], "skip": [77]}


@pytest.mark.parametrize(
    "names", [["stem.1"], ["stem.0", "stem.2"], ["stem"], [f"stem.{k}" for k in range(6)], ["stem.0", "stem.x"]]
)
def test_state_inputs_without_a_queue_are_refused(names):
    with pytest.raises(ModelError, match="does not fit a queue"):
        buffer_specs(dict.fromkeys(names, (1,)), {})


def test_a_delay_of_an_unknown_queue_is_refused():
    with pytest.raises(ModelError, match=r"delays queues that the graph does not have: \['gone'\]"):
        buffer_specs(SHAPES, {"gone": 3})


def test_a_step_in_pytorch_uses_the_threads_of_onnx_runtime_and_restores_those_of_the_process():
    torch = pytest.importorskip("torch")
    from opendr_har_core.backends.session import default_threads, usable_cores
    from opendr_har_core.backends.torch import TorchBackend, few_threads
    from opendr_har_core.networks.config import x3d_config
    from opendr_har_core.networks.cox3d import CoX3D

    network, found, before = CoX3D(replace(x3d_config("xs", "none"), image_size=32), 3), [], torch.get_num_threads()
    network.stem.conv_xy.register_forward_pre_hook(lambda *_: found.append(torch.get_num_threads()))
    backend = TorchBackend(network)
    try:
        torch.set_num_threads(16)
        backend.step([np.zeros((32, 32, 3), np.uint8)], backend.state([None]))
        assert (found, torch.get_num_threads()) == ([default_threads(usable_cores())], 16)
        with pytest.raises(ZeroDivisionError), few_threads():
            _ = 1 / 0
        assert torch.get_num_threads() == 16
    finally:
        torch.set_num_threads(before)
