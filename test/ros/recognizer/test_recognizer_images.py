"""How images reach the recognizer: encodings, unreadable images, quality of service, transports."""

from __future__ import annotations

import cv2
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from recognizer_support import (
    DISCOVERY_SEC,
    NODE,
    RELIABLE,
    START_NS,
    Camera,
    clip,
    expected_labels,
    image_of,
    labels_of,
    send_and_see,
    shifted,
    status_with,
    wait_for_labels_to_connect,
)
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Classification

from opendr_har_core import Recognizer
from opendr_har_ros.common.qos import image_qos

UNREADABLE = {
    "needs 57600 bytes, but has 99": {"data": b"\x00" * 99},
    "its step is 5": {"step": 5},
    "unknown image encoding 'x-ray'": {"encoding": "x-ray"},
    "0x0 pixels is empty": {"height": 0, "width": 0, "data": b""},
    "over the limit": {"height": 2**31, "width": 2**31},
}


@pytest.mark.slow
def test_unreadable_images_between_good_ones_are_counted_and_logged_and_change_no_label(client, running):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    stream = Recognizer.open("default").stream()
    changes, sent = iter(UNREADABLE.values()), 0
    for frame in clip(seconds=6.0):
        stream.push(frame)
        if stream.status.sampled:
            camera.send(frame, **next(changes, {"encoding": "x-ray"}))
            sent += 1
            client.spin(0.1)
        camera.send(frame)
        client.spin(0.08)
    assert labels_of(classifications) == expected_labels(clip(seconds=6.0))
    assert node.output.count("image not used") == 2  # the first and the tenth of one kind
    assert next(iter(UNREADABLE)) in node.output
    status = client.until(lambda: status_with(diagnostics, frames_unreadable=str(sent)))
    assert status.level == b"\x00"


@pytest.mark.parametrize("message", UNREADABLE)
def test_an_unreadable_image_is_an_error_in_the_diagnostics(client, running, message):
    node, camera = running
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    camera.send(clip()[0], **UNREADABLE[message])
    node.wait_for_output(message)
    status = client.until(lambda: status_with(diagnostics, frames_unreadable="1"))
    assert status.level == b"\x02"
    assert message in status.message


def test_the_reset_service_starts_a_new_history(client, running):
    _, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip("bending", seconds=3.0)
    send_and_see(client, camera, classifications, frames[:20])
    answer = client.call(Trigger, f"{NODE}/reset")
    assert (answer.success, answer.message) == (True, "history reset")
    assert labels_of(send_and_see(client, camera, classifications, frames)) == expected_labels(frames)


def test_a_disabled_node_processes_no_image_until_it_is_enabled(client, running):
    _, camera = running
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    labels = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    assert send_and_see(client, camera, labels, clip(seconds=3.0))
    assert client.call(SetBool, f"{NODE}/enable", SetBool.Request(data=False)).success
    seen = len(labels)
    camera.send_all(shifted(clip(seconds=5.0), 3.0))
    client.until(lambda: status_with(diagnostics, message="disabled: call ~/enable"))
    assert len(labels) == seen
    assert client.call(SetBool, f"{NODE}/enable", SetBool.Request(data=True)).success
    frames = shifted(clip(seconds=3.0), 10.0)
    assert labels_of(send_and_see(client, camera, labels, frames)) == expected_labels(frames)
    assert client.until(lambda: status_with(diagnostics, message="running", stream_resets="0"))


def labels_arrive(client, publisher, message_of, action="walking"):
    """Publish a clip until labels arrive; the last one is the clip's action."""
    received = client.collect(Classification, f"{NODE}/classification")
    client.until(lambda: publisher.get_subscription_count() == 1, what="a subscription")
    wait_for_labels_to_connect(client)
    frames = clip(action, seconds=3.0)
    for index in range(200):
        publisher.publish(message_of(frames[index % len(frames)], START_NS + index * 10**8))
        client.spin(0.03)
        if len(received) >= 3 and received[-1].results[0].class_id == action:
            return
    raise AssertionError(f"{len(received)} labels arrived")


MATRIX = [
    (reliability, durability, depth, choice)
    for reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)
    for durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL)
    for depth in (1, 10)
    for choice in ("auto", "best_effort")
]


@pytest.mark.slow
@pytest.mark.parametrize(("reliability", "durability", "depth", "choice"), MATRIX)
def test_publishers_of_every_quality_of_service_match(client, start, reliability, durability, depth, choice):
    start("recognizer", {"image_qos": choice})
    profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)
    labels_arrive(client, client.node.create_publisher(Image, "image_raw", profile), image_of)


@pytest.mark.slow
def test_a_best_effort_camera_of_large_images_is_received(client, start):
    start("recognizer")
    camera = Camera(client, reliable=False)
    camera.wait_for_recognizer()
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    camera.send_all(clip("waving one hand", 3.0, seed=3, size=(480, 640)), seconds=0.1)
    client.until(lambda: len(classifications) >= 3)
    assert classifications[-1].results[0].class_id == "waving one hand"


def subscribed_reliability(client):
    infos = client.node.get_subscriptions_info_by_topic("/image_raw")
    return [info.qos_profile.reliability for info in infos]


def test_with_auto_the_subscription_follows_the_cameras_reliability(client, start):
    node = start("recognizer")
    camera = Camera(client, reliable=True)
    node.wait_for_output("subscribed reliably to /image_raw")
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.RELIABLE])
    client.node.destroy_publisher(camera.publisher)
    Camera(client, reliable=False)
    node.wait_for_output("subscribed with best effort to /image_raw")
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.BEST_EFFORT])


def test_a_reliable_subscription_reports_a_best_effort_camera(client, running):
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    other = client.node.create_publisher(Image, "image_raw", image_qos(reliable=False))
    client.until(lambda: status_with(diagnostics, message="has a best-effort publisher, but image_qos"))
    client.node.destroy_publisher(other)


@pytest.mark.slow
def test_a_parameter_file_overrides_the_quality_of_service(client, start):
    overrides = {"reliability": "best_effort", "depth": 3}
    parameters = {f"qos_overrides./image_raw.subscription.{name}": value for name, value in overrides.items()}
    start("recognizer", {**parameters, **RELIABLE})
    Camera(client, reliable=True).wait_for_recognizer()
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.BEST_EFFORT])
    answer = client.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request(names=list(parameters)))
    assert [answer.values[0].string_value, answer.values[1].integer_value] == ["best_effort", 3]


@pytest.mark.parametrize(
    ("remap", "topic"),
    [
        ({"image_raw": "/eye/image"}, "/eye/image/compressed"),
        pytest.param({}, "/image_raw/compressed", marks=pytest.mark.slow),
        pytest.param({"image_raw": "/eye/image/compressed"}, "/eye/image/compressed", marks=pytest.mark.slow),
        pytest.param({"image_raw/compressed": "/eye/jpeg"}, "/eye/jpeg", marks=pytest.mark.slow),
    ],
)
def test_compressed_images_are_received_on_the_topic_of_image_transport(client, start, remap, topic):
    start("recognizer", {"transport": "compressed", **RELIABLE}, remaps=remap)

    def jpeg(frame, stamp):
        _, data = cv2.imencode(".jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
        message = CompressedImage(format="jpeg", data=data.tobytes())
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        return message

    publisher = client.node.create_publisher(CompressedImage, topic, image_qos(reliable=True))
    labels_arrive(client, publisher, jpeg, "raising both arms")


def test_names_can_be_remapped(client, start):
    node = start("recognizer", extra=["-r", "__ns:=/robot", "-r", "image_raw:=/eye/image", "-r", "~/label:=/activity"])
    Camera(client, topic="/eye/image").wait_for_recognizer()
    client.until(lambda: client.node.count_publishers("/activity"))
    assert client.node.count_publishers("/robot/recognizer/classification") == 1
    client.spin(DISCOVERY_SEC)
    assert node.interrupt() == 0
