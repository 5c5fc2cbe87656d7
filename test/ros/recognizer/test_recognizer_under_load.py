"""Transitions, resets, parameter changes and signals while images arrive faster than they can be processed."""

from __future__ import annotations

import signal
import time

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from lifecycle_msgs.msg import State, Transition
from recognizer_support import EVERY_FRAME, NODE, Flood, change_state, clip, lifecycle_state, set_parameter
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification

from opendr_har_core.media.video import write_video


@pytest.mark.slow
def test_a_node_changes_its_state_under_load(client, start):
    node = start("recognizer", EVERY_FRAME)
    received = client.collect(Classification, f"{NODE}/classification")
    with Flood(client) as flood:
        for life in range(3):
            client.until(lambda: flood.publisher.get_subscription_count() == 1)
            count = len(received)
            client.until(lambda count=count: len(received) > count + 5, what="labels")
            assert client.call(Trigger, f"{NODE}/reset").success
            assert set_parameter(client, "smoothing", 0.1 * life).successful
            assert change_state(client, Transition.TRANSITION_DEACTIVATE)
            client.spin(0.3)
            count = len(received)
            client.spin(0.3)
            assert len(received) == count, "an inactive node publishes"
            if life == 1:
                assert change_state(client, Transition.TRANSITION_CLEANUP, Transition.TRANSITION_CONFIGURE)
            assert change_state(client, Transition.TRANSITION_ACTIVATE)
        client.until(lambda: flood.publisher.get_subscription_count() == 1)
        assert change_state(client, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert lifecycle_state(client) == State.PRIMARY_STATE_FINALIZED
        assert node.interrupt() == 0
    assert "not used" not in node.output


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_two_signals_at_once_end_a_busy_node_in_order(number, client, start):
    """A terminal and a launcher both forward Ctrl-C."""
    node = start("recognizer", EVERY_FRAME)
    received = client.collect(Classification, f"{NODE}/classification")
    with Flood(client):
        client.until(lambda: len(received) > 3, what="labels")
        node.process.send_signal(number)
        time.sleep(0.02)
        node.process.send_signal(number)
        assert node.wait() == 0


@pytest.mark.parametrize("executable", ["recognizer", pytest.param("video_publisher", marks=pytest.mark.slow)])
def test_a_signal_during_the_start_ends_a_node_in_order(executable, start, tmp_path):
    video = write_video(tmp_path / "video.mp4", clip(seconds=1.0), 10.0)
    node = start(executable, {"video": video, "loop": 0} if executable == "video_publisher" else {})
    node.wait_for_library("rclpy")
    assert node.interrupt() == 0
