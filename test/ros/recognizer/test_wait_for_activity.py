"""The recognizer's action ~/wait_for_activity, over DDS."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("opendr_har_msgs")
from goals import ABORTED, CANCELED, SUCCEEDED, Goal
from lifecycle_msgs.msg import Transition
from opendr_har_msgs.action import WaitForActivity
from rclpy.action import ActionClient
from rclpy.duration import Duration
from recognizer_support import NODE, RELIABLE, START_NS, Camera, change_state, clip, expected_labels, shifted

SENT_SEC = 4.0


@pytest.fixture
def actions(client):
    return ActionClient(client.node, WaitForActivity, f"{NODE}/wait_for_activity")


@pytest.fixture
def wait(client, actions):
    def start_waiting(label, hold=0.0, timeout=0.0, minimum_score=0.0):
        hold, timeout = (Duration(seconds=seconds).to_msg() for seconds in (hold, timeout))
        goal = WaitForActivity.Goal(label=label, minimum_score=minimum_score, hold=hold, timeout=timeout)
        return Goal(client, actions, goal)

    return start_waiting


def stamps_of(label, frames):
    return [stamp for stamp, found in expected_labels(frames) if found == label]


def test_a_goal_succeeds_when_the_activity_has_been_held(client, running, wait):
    """No topic has a subscriber: a goal alone makes the recognizer work."""
    _, camera = running
    frames = clip("walking", SENT_SEC)
    walking = stamps_of("walking", frames)
    goal, longer = wait("walking", hold=0.5), wait("walking", hold=60.0)
    camera.send_all(frames, 0.1)
    status, result = goal.end()
    assert (status, result.reached, result.message) == (SUCCEEDED, True, "")
    reached = result.stamp.sec * 10**9 + result.stamp.nanosec
    assert reached in walking
    assert reached - walking[0] >= 500_000_000
    held = [message.held.sec + message.held.nanosec / 1e9 for message in goal.feedback if message.label == "walking"]
    assert held[0] == 0.0
    assert held == sorted(held)
    assert max(held) < 0.5
    assert longer.cancel()
    assert longer.end()[0] == CANCELED


def test_other_activities_and_low_scores_interrupt_the_hold(client, running, wait):
    _, camera = running
    frames = clip("walking", SENT_SEC)
    goals = [wait("jumping"), wait("walking", minimum_score=1.0)]
    camera.send_all(frames, 0.1)
    for goal in goals:
        goal.until(lambda message: message.label == "walking")
        assert {message.held.sec + message.held.nanosec for message in goal.feedback} == {0}
    camera.send_all(shifted(clip("jumping", SENT_SEC), SENT_SEC), 0.1)
    assert goals[0].end()[0] == SUCCEEDED
    assert goals[1].cancel()


def test_a_goal_is_aborted_at_its_timeout(client, running, wait):
    status, result = wait("walking", timeout=0.5).end()
    assert (status, result.reached, result.message) == (ABORTED, False, "the timeout of 0.5 s has passed")


def test_a_goal_can_be_preempted_by_another_one(client, running, wait):
    """As nav2's behavior tree nodes do: cancel the old goal, send the next."""
    _, camera = running
    old = wait("jumping", timeout=60.0)
    assert old.cancel()
    assert not old.cancel()
    new = wait("walking")
    status, result = old.end()
    assert (status, result.reached) == (CANCELED, False)
    camera.send_all(clip("walking", SENT_SEC), 0.1)
    assert new.end()[0] == SUCCEEDED


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        ({"label": "walkin"}, "the model has no class 'walkin'; did you mean 'walking'?"),
        ({"label": "walking", "minimum_score": 1.5}, "minimum_score is 1.5, expected 0 to 1"),
        ({"label": "walking", "hold": -1.0}, "hold and timeout have to be 0 or more"),
    ],
)
def test_a_goal_that_cannot_be_reached_is_aborted_with_the_reason(client, running, wait, goal, reason):
    status, result = wait(**goal).end()
    assert (status, result.message) == (ABORTED, reason)


def test_goals_are_aborted_when_the_node_is_deactivated(client, running, wait):
    goals = [wait("walking"), wait("no activity", minimum_score=1.0)]
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    for goal in [*goals, wait("walking")]:
        status, result = goal.end()
        assert (status, result.message) == (ABORTED, "the node is not active")


def test_a_goal_may_name_a_camera(client, start, wait):
    start("recognizer", {**RELIABLE, "cameras": "['front', 'rear']"})
    cameras = [Camera(client, topic=f"{name}/image_raw") for name in ("front", "rear")]
    for camera in cameras:
        camera.wait_for_recognizer()
    rear, either = wait("rear/walking"), wait("walking")
    cameras[0].send_all(clip("walking", SENT_SEC), 0.1)
    assert either.end()[0] == SUCCEEDED
    cameras[1].send_all(clip("walking", SENT_SEC), 0.1)
    status, result = rear.end()
    assert status == SUCCEEDED
    assert result.stamp.sec >= START_NS // 10**9


def test_a_node_that_is_interrupted_answers_the_clients(client, start, wait):
    node = start("recognizer")
    goals = [wait("walking") for _ in range(5)]
    assert node.interrupt() == 0
    for goal in goals:
        status, result = goal.end()
        assert (status, result.message) == (ABORTED, "the node is not active")


@pytest.mark.slow
def test_a_client_sees_that_the_node_was_killed(client, start, actions, wait):
    node = start("recognizer")
    wait("walking")
    node.process.kill()
    client.until(lambda: not actions.server_is_ready(), what="the end of the action server")
