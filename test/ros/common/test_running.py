"""Resilient spinning: errors that rclpy would let end a node are logged and survived."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters

from opendr_har_ros.common.log import SparseLog, sanitize_utf8
from opendr_har_ros.common.running import MAX_CONSECUTIVE_ERRORS, spin_resiliently


class Executor:
    """Raises in the turns for which `fails(turn)` holds."""

    def __init__(self, fails):
        self._fails, self.turn = fails, 0

    def spin_once(self, timeout_sec):
        self.turn += 1
        if self._fails(self.turn):
            raise ValueError(f"turn {self.turn}, a file named \udce9")


@pytest.fixture
def logged():
    return []


@pytest.fixture
def node(logged):
    return SimpleNamespace(get_logger=lambda: SimpleNamespace(error=logged.append))


def test_errors_between_other_work_are_logged_with_decreasing_frequency(node, logged):
    executor = Executor(lambda turn: turn % 2)
    spin_resiliently(node, executor, lambda: executor.turn == 250)
    assert [line.rpartition("(")[2] for line in logged[1:]] == ["10 times so far)", "100 times so far)"]
    assert "turn 1, a file named \\udce9" in logged[0]


def test_an_error_in_every_turn_is_raised_in_the_end(node):
    with pytest.raises(ValueError, match=f"turn {MAX_CONSECUTIVE_ERRORS}"):
        spin_resiliently(node, Executor(lambda turn: True), lambda: False)


@pytest.mark.parametrize(
    ("executable", "given"),
    [
        ("recognizer", {"autostart": "false"}),
        pytest.param("trainer", {}, marks=pytest.mark.slow),
        pytest.param("web", {"port": 0}, marks=pytest.mark.slow),
    ],
)
def test_a_request_that_rclpy_fails_on_does_not_end_the_node(client, start, executable, given):
    node = start(executable, given)
    node.may_log_tracebacks = True
    service = client.node.create_client(SetParameters, f"/{executable}/set_parameters")
    client.until(service.service_is_ready, what="the node")
    invalid = Parameter(name="use_sim_time", value=ParameterValue(type=77))
    service.call_async(SetParameters.Request(parameters=[invalid]))
    node.wait_for_output("continuing after an error")
    request = GetParameters.Request(names=["use_sim_time"])
    answer = client.call(GetParameters, f"/{executable}/get_parameters", request)
    assert [value.bool_value for value in answer.values] == [False]
    assert node.interrupt() == 0


@pytest.mark.slow
def test_two_nodes_of_one_name_are_a_warning(start):
    nodes = [start("recognizer", {"autostart": "false"}) for _ in range(2)]
    for node in nodes:
        node.wait_for_output("another node is named /recognizer, too")


def test_text_is_escaped_so_that_messages_accept_it():
    assert sanitize_utf8("caf\udce9 \0 caf\u00e9 \u2028") == "caf\\udce9 \\x00 caf\u00e9 \u2028"


def test_a_sparse_log_logs_powers_of_ten_with_the_count():
    lines = []
    log = SparseLog(lines.append)
    for _ in range(250):
        log("kind", "broken")
    log("other", "broken too")
    assert lines == ["broken", "broken (10 times so far)", "broken (100 times so far)", "broken too"]
