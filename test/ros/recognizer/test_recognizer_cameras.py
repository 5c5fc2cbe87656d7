"""Several cameras in one node: each has its own history and topics, and a bad one costs the others nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from recognizer_support import NODE, RELIABLE, START_NS, Camera, clip, stamp_ns, values_of
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification, VisionInfo

from opendr_har_core import Recognizer
from opendr_har_ros.common.qos import LATCHED

ACTIONS = {"front": "walking", "rear": "jumping", "left": "bending"}
# Long enough for images that are sent together to be worked on together on a busy machine, too.
SETTINGS = {**RELIABLE, "cameras": "['front', 'rear', 'left']", "batch_wait_sec": 0.5}


def expected(frames):
    """(stamp, label) of a stream that is sampled at the moments that cameras share."""
    stream = Recognizer.open("default").stream(aligned=True)
    predictions = [stream.push(type(frame)(frame.rgb, START_NS + frame.stamp_ns)) for frame in frames]
    return [(p.stamp_ns, p.label) for p in predictions if p]


@pytest.fixture
def three(client, start):
    node = start("recognizer", SETTINGS)
    cameras = {name: Camera(client, topic=f"{name}/image_raw") for name in ACTIONS}
    for camera in cameras.values():
        camera.wait_for_recognizer()
    received = {name: client.collect(Classification, f"{NODE}/{name}/classification") for name in ACTIONS}
    for name in ACTIONS:
        client.until(lambda name=name: client.node.count_publishers(f"{NODE}/{name}/classification"))
    client.spin(0.5)
    return node, cameras, received


def play(client, cameras, clips, received, wanted):
    """Send the frames of all cameras together, and wait for all labels that they give."""
    for frames in zip(*clips.values()):
        for name, frame in zip(clips, frames):
            cameras[name].send(frame)
        client.spin(0.08)
    client.until(lambda: all(len(received[name]) >= len(wanted[name]) for name in wanted), what="all labels")
    return {name: [(stamp_ns(m.header), m.results[0].class_id) for m in received[name]] for name in clips}


def test_each_camera_gets_the_librarys_labels_on_topics_of_its_own(client, three):
    node, cameras, received = three
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
    assert "Traceback" not in node.output


def test_a_camera_with_bad_images_costs_the_others_nothing(client, three):
    node, cameras, received = three
    clips = {name: clip(action, seconds=4.0, seed=index) for index, (name, action) in enumerate(ACTIONS.items())}
    wanted = {name: expected(frames) for name, frames in clips.items()}
    del wanted["rear"]
    for front, rear, left in zip(*clips.values()):
        cameras["front"].send(front)
        cameras["rear"].send(rear, encoding="x-ray")
        cameras["left"].send(left)
        client.spin(0.08)
    client.until(lambda: all(len(received[name]) >= len(wanted[name]) for name in wanted), what="all labels")
    got = {name: [(stamp_ns(m.header), m.results[0].class_id) for m in received[name]] for name in wanted}
    assert got == wanted
    assert not received["rear"]
    assert "rear: image not used: unknown image encoding 'x-ray'" in node.output


def test_a_picture_that_can_not_be_drawn_takes_nobodys_labels(client, start):
    """Frames that the network does not need are decoded for viewers; a damaged one is theirs alone."""
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
    client.until(lambda: len(received) == wanted, what="labels of the camera that nobody watches")
    assert wanted > 3
    assert pictures
    assert "front: image not drawn" in node.output
    assert "image not used" not in node.output


def test_a_camera_that_is_silent_is_not_waited_for_and_named(client, three):
    _, cameras, received = three
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    frames = clip(seconds=4.0)
    wanted = {"front": expected(frames)}
    assert play(client, cameras, {"front": frames}, received, wanted) == wanted
    messages = client.until(lambda: {s.hardware_id: s.message for s in diagnostics[-1].status} if diagnostics else None)
    assert messages["front"] == "running"
    assert "no image has arrived" in messages["rear"]


@pytest.mark.parametrize(
    ("names", "reason"), [("['front', 'front']", "each name once"), ("['front door']", "expected names of letters")]
)
def test_camera_names_that_make_no_topics_end_the_node_with_a_reason(start, names, reason):
    node = start("recognizer", {"cameras": names})
    assert node.wait() == 2
    assert reason in node.output
