"""Nobody listens, nothing is computed; unless the node is told to be ready at any time."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from recognizer_support import NODE, Flood, set_parameter, status_with, values_of
from std_msgs.msg import String

EVERY = {"image_qos": "reliable", "sampling": "every_frame"}


def sampled(diagnostics):
    return int(values_of(diagnostics[-1].status[0])["frames sampled"])


def test_without_subscribers_no_frame_is_sampled_and_with_one_labels_come(client, start):
    start("recognizer", EVERY)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    with Flood(client):
        client.until(lambda: status_with(diagnostics, message="idle: nobody subscribes to the labels"))
        received = int(values_of(diagnostics[-1].status[0])["frames received"])
        client.until(lambda: int(values_of(diagnostics[-1].status[0])["frames received"]) > received)
        assert sampled(diagnostics) == 0
        labels = []
        subscription = client.node.create_subscription(String, f"{NODE}/label", labels.append, 10)
        client.until(lambda: len(labels) > 5, what="labels")
        client.until(lambda: status_with(diagnostics, message="running"))
        client.node.destroy_subscription(subscription)
        client.until(lambda: status_with(diagnostics, message="idle"))
        client.spin(1.5)
        before = sampled(diagnostics)
        client.spin(2.5)
        assert sampled(diagnostics) == before


def test_a_node_that_is_always_on_is_warm_when_the_first_subscriber_comes(client, start):
    start("recognizer", EVERY)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    with Flood(client):
        client.until(lambda: status_with(diagnostics, message="idle"))
        assert set_parameter(client, "always_on", True).successful
        client.until(lambda: diagnostics and sampled(diagnostics) > 20)
        assert status_with(diagnostics, message="running", stream="running")
