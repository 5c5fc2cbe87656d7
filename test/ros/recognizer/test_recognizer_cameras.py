"""Several cameras in one node: each has its own history and topics, and a faulty one does not affect the others."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from recognizer_support import (
    DISCOVERY_SEC,
    NODE,
    RELIABLE,
    START_NS,
    Camera,
    clip,
    expected_labels,
    labels_of,
    values_of,
)
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification, VisionInfo

from opendr_har_core import Recognizer
from opendr_har_ros.common.qos import LATCHED

ACTIONS = {"front": "walking", "rear": "jumping", "left": "bending"}
# Long enough to batch images that are sent together, also on a busy machine.
SETTINGS = {**RELIABLE, "cameras": "['front', 'rear', 'left']", "batch_wait_sec": 0.5}


def expected(frames):
    """Labels of a stream that samples at the times that all cameras share."""
    return expected_labels(frames, aligned=True)


@pytest.fixture
def three(client, start):
    node = start("recognizer", SETTINGS)
    cameras = {name: Camera(client, topic=f"{name}/image_raw") for name in ACTIONS}
    for camera in cameras.values():
        camera.wait_for_recognizer()
    received = {name: client.collect(Classification, f"{NODE}/{name}/classification") for name in ACTIONS}
    for name in ACTIONS:
        client.until(lambda name=name: client.node.count_publishers(f"{NODE}/{name}/classification"))
    client.spin(DISCOVERY_SEC)
    return node, cameras, received


def play(client, cameras, clips, received, wanted):
    """Send the frames of all cameras together, and wait for the labels."""
    for frames in zip(*clips.values()):
        for name, frame in zip(clips, frames):
            cameras[name].send(frame)
        client.spin(0.05)
        now_ns = START_NS + frames[0].stamp_ns
        due = {name: sum(stamp <= now_ns for stamp, _ in wanted[name]) for name in wanted}
        client.until(lambda due=due: all(len(received[name]) >= due[name] for name in due), what="labels")
    client.until(lambda: all(len(received[name]) >= len(wanted[name]) for name in wanted), what="all labels")
    return {name: labels_of(received[name]) for name in clips}


def test_each_camera_has_the_librarys_labels_on_its_own_topics(client, three):
    _, cameras, received = three
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    clips = {name: clip(action, seconds=5.0, seed=index) for index, (name, action) in enumerate(ACTIONS.items())}
    wanted = {name: expected(frames) for name, frames in clips.items()}
    assert all(len(labels) >= 5 for labels in wanted.values())
    assert play(client, cameras, clips, received, wanted) == wanted
    assert len(infos) == 1
    statuses = client.until(lambda: diagnostics)[-1].status
    assert [status.name for status in statuses] == [f"recognizer: activity recognition of {name}" for name in ACTIONS]
    client.until(lambda: all(int(values_of(s)["labels published"]) >= 5 for s in diagnostics[-1].status))


@pytest.mark.slow
def test_unreadable_images_of_one_camera_do_not_affect_the_others(client, three):
    node, cameras, received = three
    clips = {name: clip(action, seconds=4.0, seed=index) for index, (name, action) in enumerate(ACTIONS.items())}
    wanted = {name: expected(frames) for name, frames in clips.items()}
    del wanted["rear"]
    for front, rear, left in zip(*clips.values()):
        cameras["front"].send(front)
        cameras["rear"].send(rear, encoding="x-ray")
        cameras["left"].send(left)
        client.spin(0.2)
    client.until(lambda: all(len(received[name]) >= len(wanted[name]) for name in wanted), what="all labels")
    got = {name: labels_of(received[name]) for name in wanted}
    assert got == wanted
    assert not received["rear"]
    assert "rear: image not used: unknown image encoding 'x-ray'" in node.output


@pytest.mark.slow
def test_an_annotated_image_that_cannot_be_drawn_does_not_affect_labels(client, start):
    """Frames that are not sampled are decoded only for viewers of the annotated image."""
    import cv2

    node = start("recognizer", {**SETTINGS, "cameras": "['front', 'rear']", "transport": "compressed"})
    cameras = {
        name: Camera(client, topic=f"{name}/image_raw/compressed", message_type=CompressedImage)
        for name in ("front", "rear")
    }
    for camera in cameras.values():
        camera.wait_for_recognizer()
    pictures = client.collect(Image, f"{NODE}/front/image_annotated")
    received = client.collect(Classification, f"{NODE}/rear/classification")
    client.spin(1.0)
    frames = clip(seconds=4.0, fps=30.0)
    mirror, wanted = Recognizer.open("default").stream(aligned=True), 0
    for frame in frames:
        _, data = cv2.imencode(".jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
        wanted += mirror.push(type(frame)(frame.rgb, START_NS + frame.stamp_ns)) is not None
        whole = data.tobytes()
        for name, content in (("front", whole if mirror.status.sampled else whole[: len(whole) // 2]), ("rear", whole)):
            message = CompressedImage(format="jpeg", data=content)
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(START_NS + frame.stamp_ns, 10**9)
            cameras[name].publisher.publish(message)
        client.spin(0.04)
    client.until(lambda: len(received) == wanted, what="labels of the other camera")
    assert wanted > 3
    assert pictures
    assert "front: image not drawn" in node.output
    assert "image not used" not in node.output


def test_a_silent_camera_is_not_waited_for_and_reported(client, three):
    _, cameras, received = three
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    frames = clip(seconds=4.0)
    wanted = {"front": expected(frames)}
    assert play(client, cameras, {"front": frames}, received, wanted) == wanted
    messages = client.until(lambda: {s.hardware_id: s.message for s in diagnostics[-1].status} if diagnostics else None)
    assert messages["front"] == "running"
    assert "no image has arrived" in messages["rear"]
