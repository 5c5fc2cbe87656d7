"""The recognizer as a process on real topics: labels, bad images, resets, quality of service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
from rclpy.qos import ReliabilityPolicy
from recognizer_support import (
    NODE,
    RELIABLE,
    START_NS,
    Camera,
    clip,
    expected_labels,
    latest,
    sampled_frames,
    send_and_see,
    send_one,
    stamp_ns,
    wait_for_labels_to_connect,
)
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionInfo

from opendr_har_core import Recognizer
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.qos import LATCHED


def test_labels_on_all_topics_are_those_of_the_library_with_the_frames_stamps(client, running):
    _, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    hypotheses = client.collect(ObjectHypothesis, f"{NODE}/hypothesis")
    strings = client.collect(String, f"{NODE}/label")
    wait_for_labels_to_connect(client)
    frames = clip()
    got = send_and_see(client, camera, classifications, frames)
    expected = expected_labels(frames)
    assert len(expected) >= 5
    assert [(stamp_ns(message.header), message.results[0].class_id) for message in got] == expected
    client.until(lambda: len(strings) == len(hypotheses) == len(expected))
    assert [message.data for message in strings] == [label for _, label in expected]
    assert [message.class_id for message in hypotheses] == [label for _, label in expected]
    assert {message.header.frame_id for message in got} == {"front"}
    for message in got:
        scores = [item.score for item in message.results]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        assert 0.6 < sum(scores) <= 1 + 1e-6


def test_a_node_at_work_has_loaded_no_torch(client, running, record_property):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    assert send_and_see(client, camera, classifications, clip())
    record_property("recognizer_peak_rss_mb", node.peak_rss_mb)
    packages = {part for path in node.mapped_files for part in Path(path).parts}
    assert "onnxruntime" in packages  # so the others would be seen, too
    assert not {"torch", "onnx"} & packages


def test_what_the_labels_mean_reaches_those_who_join_late(client, running):
    late_info = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    late_labels = client.collect(LabelInfo, f"{NODE}/label_info", LATCHED)
    client.until(lambda: late_info and late_labels)
    assert late_info[0].method.split(", ")[0] == Recognizer.open("default").spec.name
    assert json.loads(late_info[0].database_location) == list(ACTIONS)
    assert [entry.class_name for entry in late_labels[0].class_map] == list(ACTIONS)


@pytest.mark.parametrize(("min_frames", "index"), [(1, 0), (3, 8)])
def test_without_lookahead_the_first_label_is_that_of_the_first_image_or_of_min_frames(
    client, start, tiny_bundle, min_frames, index
):
    model = tiny_bundle("cox3d", "none")  # samples every 0.4 s
    node = start("recognizer", {**RELIABLE, "model": model, "min_frames": min_frames})
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    provisional = client.collect(Bool, f"{NODE}/provisional", LATCHED)
    events = client.collect(DiagnosticArray, f"{NODE}/events")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    frames = clip()
    for frame in frames[:index]:
        camera.send(frame)
        client.spin(0.05)
    assert received == []
    camera.send(frames[index])
    client.until(lambda: received and provisional and events, what="a provisional label and its beginning")
    assert stamp_ns(received[0].header) == START_NS + frames[index].stamp_ns
    assert [message.data for message in provisional] == [True]
    began = {item.key: item.value for item in events[0].status[0].values}
    assert (events[0].status[0].message, began["provisional"]) == ("began", "true")
    assert client.until(lambda: latest(diagnostics, "stream", f"provisional {min_frames}/3"))
    assert latest(diagnostics, "label delay (s)", "0.0")
    seconds = 0.4 * (min_frames - 1)
    log = f"first label with sampled frame {min_frames}, after about {seconds:.1f} s; label delay 0.0 s"
    assert log in node.output


@pytest.mark.parametrize(
    ("kind", "method", "delay"),
    [
        (("x3d",), "x3d_xs, label delay 0.0 s", "0.0"),
        (("cox3d", "full"), "cox3d_xs, lookahead full, label delay 11.2 s", "11.2"),
        (("cox3d", "none"), "cox3d_xs, lookahead none, label delay 0.0 s", "0.0"),
    ],
)
def test_the_node_says_how_old_its_labels_are(client, start, tiny_bundle, kind, method, delay):
    node = start("recognizer", {"model": tiny_bundle(*kind)})
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    client.until(lambda: infos and latest(diagnostics, "label delay (s)", delay), what="the delay")
    assert infos[0].method == method
    assert f"label delay {delay} s" in node.output


BAD = {
    "needs 57600 bytes, but has 99": {"data": b"\x00" * 99},
    "its step is 5": {"step": 5},
    "unknown image encoding 'x-ray'": {"encoding": "x-ray"},
    "0x0 pixels has nothing in it": {"height": 0, "width": 0, "data": b""},
    "over the limit": {"height": 2**31, "width": 2**31},
}


def test_bad_images_between_good_ones_are_named_counted_and_cost_nothing_else(client, running):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    frames = clip(seconds=6.0)
    sampled = {frame.stamp_ns for frame in sampled_frames(frames)}
    bad = iter(BAD.values())
    got = []
    for frame in frames:
        if frame.stamp_ns in sampled:
            changes = next(bad, {"encoding": "x-ray"})
            camera.send(frame, **changes)
            client.spin(0.1)
        got += send_one(client, camera, classifications, frame)
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in got] == expected_labels(frames)
    assert node.output.count("image not used") == 2  # the first and the tenth of one kind
    assert "needs 57600 bytes, but has 99" in node.output
    status = client.until(lambda: latest(diagnostics, "frames unreadable", str(len(sampled))))
    assert status.level == b"\x00"
    assert node.process.poll() is None


@pytest.mark.parametrize("message", BAD)
def test_each_kind_of_bad_image_is_named_in_the_log_and_the_diagnostics(client, start, message):
    node = start("recognizer", {**RELIABLE, "always_on": "true"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    camera.send(clip()[0], **BAD[message])
    node.wait_for_output(message)
    status = client.until(lambda: latest(diagnostics, "frames unreadable", "1"))
    assert status.level == b"\x02"
    assert message in status.message
    assert node.process.poll() is None


def test_stamps_that_go_back_reset_are_logged_and_do_not_mix(client, running):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip("jumping", seconds=3.0)
    first = send_and_see(client, camera, classifications, frames)
    again = send_and_see(client, camera, classifications, frames)
    assert [message.results for message in again] == [message.results for message in first]
    assert node.wait_for_output("history forgotten: stamp went back by 2.90 s")


def test_the_reset_service_forgets_what_was_seen(client, running):
    _, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip("bending", seconds=3.0)
    send_and_see(client, camera, classifications, frames[:20])
    answer = client.call(Trigger, f"{NODE}/reset")
    assert (answer.success, answer.message) == (True, "history forgotten")
    got = send_and_see(client, camera, classifications, frames)
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in got] == expected_labels(frames)


def test_a_best_effort_camera_of_large_images_is_heard(client, start):
    start("recognizer")
    camera = Camera(client, reliable=False)
    camera.wait_for_recognizer()
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    for frame in render_clip("waving one hand", 3.0, 10.0, size=(480, 640), seed=3):
        camera.send(frame)
        client.spin(0.1)
    client.until(lambda: len(classifications) >= 3)
    assert classifications[-1].results[0].class_id == "waving one hand"


def subscribed_reliability(client):
    infos = client.node.get_subscriptions_info_by_topic("/image_raw")
    return [info.qos_profile.reliability for info in infos]


def test_with_auto_the_subscription_follows_what_the_camera_offers(client, start):
    node = start("recognizer")
    camera = Camera(client, reliable=True)
    node.wait_for_output("subscribed reliably to /image_raw")
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.RELIABLE])
    client.node.destroy_publisher(camera.publisher)
    Camera(client, reliable=False)
    node.wait_for_output("subscribed with best effort to /image_raw")
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.BEST_EFFORT])


def test_a_parameter_file_overrides_the_quality_of_service(client, start):
    overrides = {"reliability": "best_effort", "depth": 3}
    parameters = {f"qos_overrides./image_raw.subscription.{name}": value for name, value in overrides.items()}
    start("recognizer", {**parameters, **RELIABLE})
    camera = Camera(client, reliable=True)
    camera.wait_for_recognizer()
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.BEST_EFFORT])
    names = [f"qos_overrides./image_raw.subscription.{name}" for name in ("reliability", "depth")]
    answer = client.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request(names=names))
    assert [answer.values[0].string_value, answer.values[1].integer_value] == ["best_effort", 3]


def test_compressed_images_are_heard(client, start):
    import cv2

    start("recognizer", {"transport": "compressed", **RELIABLE})
    camera = Camera(client, topic="image_raw/compressed", message_type=CompressedImage)
    camera.wait_for_recognizer()
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    for frame in clip("raising both arms", seconds=3.0):
        _, data = cv2.imencode(".jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
        message = CompressedImage(format="jpeg", data=data.tobytes())
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(START_NS + frame.stamp_ns, 10**9)
        camera.publisher.publish(message)
        client.spin(0.05)
    client.until(lambda: len(classifications) >= 3)
    assert classifications[-1].results[0].class_id == "raising both arms"
