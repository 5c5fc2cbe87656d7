"""State buffers: queues start with zeros, keep their order and can be copied."""

from __future__ import annotations

import pytest

from opendr_har_core.backends.state_buffers import BufferedState, buffer_specs
from opendr_har_core.errors import ModelError
from opendr_har_core.spec import ModelSpec

SPEC = ModelSpec("cox3d", "tiny", 8, 3, 6, 5, num_classes=3)
SHAPES = {
    "stem.0": (2,),
    "stem.1": (2,),
    "stem.2": (2,),
    "stem.3": (2,),
    "block.0": (2,),
    "block.1": (2,),
    "skip.0": (1,),
}
SPECS = buffer_specs(SHAPES, {"block": 3})


def put(state, value, rows=None):
    """One step that writes `value` into every queue."""
    for queue in SPECS:
        state.entering(queue)[slice(None) if rows is None else rows] = value
    state.advance()


def entries(state, row=0):
    return {queue.name: [float(state.entry(queue, k)[row][0]) for k in range(queue.depth)] for queue in SPECS}


def test_a_queue_is_read_newest_first_and_starts_with_zeros():
    state = BufferedState(SPECS, SPEC, 1)
    seen = []
    for value in range(1, 12):
        put(state, value)
        seen.append(entries(state))
    assert seen[1] == {"stem": [2, 1, 0, 0], "block": [0, 0], "skip": [2]}
    assert seen[-1] == {"stem": [11, 10, 9, 8], "block": [11, 10], "skip": [11]}


def test_a_delayed_queue_stays_zero_for_its_delay_only():
    state = BufferedState(SPECS, SPEC, 1)
    newest = []
    for value in range(1, 6):
        put(state, value)
        newest.append(entries(state)["block"])
    assert newest == [[0, 0], [0, 0], [0, 0], [4, 0], [5, 4]]


def test_a_step_never_writes_what_it_reads_and_turns_repeat():
    state = BufferedState(SPECS, SPEC, 1)
    first = {(queue.name, k): state.entry(queue, k).ctypes.data for queue in SPECS for k in range(queue.depth)}
    for value in range(6):
        for queue in SPECS:
            read = {state.entry(queue, k).ctypes.data for k in range(queue.depth)}
            assert len(read) == queue.depth
            assert state.entering(queue).ctypes.data not in read
        assert state.turn == value
        put(state, value)
    assert state.turn == 0
    assert first == {(queue.name, k): state.entry(queue, k).ctypes.data for queue in SPECS for k in range(queue.depth)}


def test_a_row_is_copied_with_its_age_at_any_turn():
    source, target = BufferedState(SPECS, SPEC, 2), BufferedState(SPECS, SPEC, 2)
    for value in range(1, 5):
        put(source, [[value], [10 * value]])
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
