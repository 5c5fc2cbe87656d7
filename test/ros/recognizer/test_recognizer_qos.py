"""Publishers of every quality of service are heard."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from recognizer_support import NODE, START_NS, clip, image_of, wait_for_labels_to_connect
from sensor_msgs.msg import Image
from vision_msgs.msg import Classification


@pytest.mark.parametrize("image_qos", ["auto", "best_effort"])
@pytest.mark.parametrize("depth", [1, 10])
@pytest.mark.parametrize("durability", [DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL])
@pytest.mark.parametrize("reliability", [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_a_publisher_is_heard(client, start, reliability, durability, depth, image_qos):
    start("recognizer", {"image_qos": image_qos})
    profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)
    publisher = client.node.create_publisher(Image, "image_raw", profile)
    received = client.collect(Classification, f"{NODE}/classification")
    client.until(lambda: publisher.get_subscription_count() == 1, what="a subscription")
    wait_for_labels_to_connect(client)
    frames = clip(seconds=3.0)
    index = 0
    while len(received) < 3:
        assert index < 200, "no labels came"
        publisher.publish(image_of(frames[index % len(frames)], START_NS + index * 10**8))
        client.spin(0.03)
        index += 1


def test_a_subscription_that_has_to_be_reliable_does_not_match_a_best_effort_camera_and_says_so(client, start):
    from diagnostic_msgs.msg import DiagnosticArray
    from recognizer_support import Camera, status_with

    start("recognizer", {"image_qos": "reliable"})
    Camera(client, reliable=False)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    client.until(lambda: status_with(diagnostics, message="image_qos"), what="advice about the quality of service")
