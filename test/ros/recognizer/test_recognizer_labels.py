"""What the recognizer publishes about its images: labels, events, annotated images, descriptions of the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("opendr_har_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from opendr_har_msgs.msg import ActivityEvent
from recognizer_support import (
    DISCOVERY_SEC,
    EVERY_FRAME,
    NODE,
    RELIABLE,
    START_NS,
    Camera,
    Flood,
    clip,
    expected_labels,
    labels_of,
    send_and_see,
    set_parameter,
    shifted,
    stamp_ns,
    status_with,
    values_of,
    wait_for_labels_to_connect,
)
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionInfo

from opendr_har_core import Recognizer
from opendr_har_core.media.encodings import read_compressed
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_ros.common.har_messages import activity_event
from opendr_har_ros.common.qos import LATCHED


def test_labels_on_all_topics_are_those_of_the_library_with_the_frames_stamps(client, running, record_property):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    hypotheses = client.collect(ObjectHypothesis, f"{NODE}/hypothesis")
    strings = client.collect(String, f"{NODE}/label")
    wait_for_labels_to_connect(client)
    frames = clip()
    got = send_and_see(client, camera, classifications, frames)
    expected = expected_labels(frames)
    assert len(expected) >= 5
    assert labels_of(got) == expected
    client.until(lambda: len(strings) == len(hypotheses) == len(expected))
    assert [message.data for message in strings] == [label for _, label in expected]
    assert [message.class_id for message in hypotheses] == [label for _, label in expected]
    assert {message.header.frame_id for message in got} == {"front"}
    for message in got:
        scores = [item.score for item in message.results]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        assert 0.6 < sum(scores) <= 1 + 1e-6
    record_property("recognizer_peak_rss_mb", node.peak_rss_mb)
    packages = {part for path in node.mapped_files for part in Path(path).parts}
    assert "onnxruntime" in packages
    assert not {"torch", "onnx"} & packages


def test_late_subscribers_get_the_class_names(client, running):
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    labels = client.collect(LabelInfo, f"{NODE}/label_info", LATCHED)
    client.until(lambda: infos and labels)
    assert infos[-1].method.split(", ")[0] == Recognizer.open("default").spec.name
    assert json.loads(infos[-1].database_location) == list(ACTIONS)
    assert [entry.class_name for entry in labels[-1].class_map] == list(ACTIONS)


def test_events_have_the_librarys_labels_stamps_and_durations(client, running):
    _, camera = running
    events = client.collect(ActivityEvent, f"{NODE}/events")
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip("walking", seconds=5.0) + shifted(clip("jumping", seconds=5.0), 5)
    send_and_see(client, camera, received, frames)
    labels = LabelPipeline(Recognizer.open("default").stream(), LabelSettings())
    expected = [
        activity_event(event, "name", "front")
        for frame in shifted(frames, START_NS / 1e9)
        for event in labels.push(frame)[1]
    ]
    assert {event.kind for event in expected} == {ActivityEvent.BEGAN, ActivityEvent.ENDED}
    client.until(lambda: len(events) >= len(expected), what="all events")
    assert events == expected


def test_a_late_subscriber_gets_what_is_going_on_now_and_then_its_changes(client, running):
    _, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    send_and_see(client, camera, received, clip("walking"))
    activity = client.collect(Classification, f"{NODE}/activity", LATCHED)
    client.until(lambda: activity, what="the activity")
    last = received[-1]
    assert [item.class_id for item in activity[0].results] == [last.results[0].class_id]
    assert stamp_ns(activity[0].header) <= stamp_ns(last.header)
    events = client.collect(ActivityEvent, f"{NODE}/events")
    client.until(lambda: client.node.count_publishers(f"{NODE}/events"))
    assert set_parameter(client, "class_id_format", "index").successful
    later = send_and_see(client, camera, received, shifted(clip("jumping"), 4.0))
    ids = [message.results[0].class_id for message in later]
    changes = [now for before, now in zip([None, *ids], ids) if now != before]
    client.until(lambda: len(activity) == 1 + len(changes), what="the changes")
    assert [message.results[0].class_id for message in activity[1:]] == changes
    assert {message.class_id for message in events} <= {str(index) for index in range(len(ACTIONS))}
    assert str(ACTIONS.index("jumping")) in [message.class_id for message in events]
    assert client.call(Trigger, f"{NODE}/reset").success
    client.until(lambda: list(activity[-1].results) == [], what="an empty activity")


def test_an_event_message_has_all_values_of_the_event():
    event = LabelEvent("ended", "archery", 5, 0.625, 1_700_000_012_500_000_001, 1_700_000_010_000_000_009, 2.5, False)
    message = activity_event(event, "name", "camera_front", "7")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_012, 500_000_001)
    assert (message.header.frame_id, message.track_id) == ("camera_front", "7")
    assert (message.class_id, message.score, message.kind) == ("archery", 0.625, ActivityEvent.ENDED)
    assert (message.begin.sec, message.begin.nanosec) == (1_700_000_010, 9)
    assert (message.duration.sec, message.duration.nanosec) == (2, 499_999_992)


@pytest.mark.parametrize(("seconds", "sent"), [(2**31, 2**31 - 1), (-(2**31) - 1, -(2**31))])
def test_an_events_stamp_is_clamped_to_what_a_message_holds(seconds, sent):
    event = LabelEvent("ended", "archery", 5, 0.6, seconds * 10**9 + 7, 7, 0.0, True)
    stamp = activity_event(event, "name", "").header.stamp
    assert (stamp.sec, stamp.nanosec) == (sent, 7)


def test_the_annotated_image_has_the_newest_frame_with_text(client, running):
    _, camera = running
    images = client.collect(Image, f"{NODE}/image_annotated")
    jpegs = client.collect(CompressedImage, f"{NODE}/image_annotated/compressed")
    client.until(lambda: client.node.count_publishers(f"{NODE}/image_annotated"))
    client.spin(DISCOVERY_SEC)
    frames = clip(seconds=3.0)
    camera.send_all(frames)
    client.until(lambda: images and stamp_ns(images[-1].header) == START_NS + frames[-1].stamp_ns)
    last = images[-1]
    assert (last.height, last.width, last.encoding) == (*frames[-1].size, "rgb8")
    drawn = np.frombuffer(last.data, np.uint8).reshape(frames[-1].rgb.shape)
    changed = (drawn != frames[-1].rgb).any(axis=2)
    assert 0.02 < changed.mean() < 0.8
    client.until(lambda: jpegs and jpegs[-1].header == last.header)
    difference = read_compressed(jpegs[-1], 0).rgb.astype(int) - drawn
    assert abs(difference).mean() < 4  # swapped colours would be far more


def test_parameters_change_live_or_are_rejected(client, running):
    _, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    infos = client.collect(LabelInfo, f"{NODE}/label_info", LATCHED)
    wait_for_labels_to_connect(client)
    frames = clip(seconds=8.0)
    send_and_see(client, camera, classifications, frames[:32])
    for name, value in (("top_k", 2), ("class_id_format", "index")):
        assert set_parameter(client, name, value).successful
    best = send_and_see(client, camera, classifications, frames[32:48])[-1].results
    assert len(best) == 2
    assert best[0].class_id == str(ACTIONS.index("walking"))
    assert set_parameter(client, "threshold", 1.0).successful
    assert set_parameter(client, "class_id_format", "name").successful
    results = send_and_see(client, camera, classifications, frames[48:64])[-1].results
    assert results[0].class_id == "no activity"
    client.until(lambda: infos[-1].threshold == 1.0, what="the new threshold in label_info")
    rejected = set_parameter(client, "sampling", "every_frame")
    assert not rejected.successful
    assert "sampling can't change while a model is loaded" in rejected.reason
    assert "one of" in set_parameter(client, "class_id_format", "roman").reason
    for name, value in (("threshold", 1.5), ("threshold", "high"), ("autostart", "no")):
        assert not set_parameter(client, name, value).successful


def test_idling_is_no_fault_of_the_camera(client, running):
    node, camera = running
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    labels = []
    for later in (0.0, 36.0):
        subscription = client.node.create_subscription(Classification, f"{NODE}/classification", labels.append, 10)
        wait_for_labels_to_connect(client)
        seen = len(labels)
        camera.send_all(shifted(clip(), later))
        client.until(lambda seen=seen: len(labels) > seen + 2, what="labels")
        client.node.destroy_subscription(subscription)
        client.spin(DISCOVERY_SEC)
        camera.send_all(shifted(clip(seconds=0.5), later + 5.0))
        status = client.until(lambda: status_with(diagnostics, message="idle"))
    assert (values_of(status)["stream resets"], values_of(status)["last reset"]) == ("0", "")
    assert "history reset" not in node.output


@pytest.mark.slow
def test_no_frame_is_sampled_without_subscribers_unless_always_on(client, start):
    start("recognizer", EVERY_FRAME)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")

    def count(key):
        return int(values_of(diagnostics[-1].status[0])[key])

    with Flood(client):
        client.until(lambda: status_with(diagnostics, message="idle: the labels have no subscriber"))
        received = count("frames received")
        client.until(lambda: count("frames received") > received)
        assert count("frames sampled") == 0
        labels = []
        subscription = client.node.create_subscription(String, f"{NODE}/label", labels.append, 10)
        client.until(lambda: len(labels) > 5, what="labels")
        client.until(lambda: status_with(diagnostics, message="running"))
        client.node.destroy_subscription(subscription)
        client.until(lambda: status_with(diagnostics, message="idle"))
        client.until(lambda: count("frames received") > received + 300)
        sampled = count("frames sampled")
        assert set_parameter(client, "always_on", True).successful
        client.until(lambda: count("frames sampled") > sampled + 20)
        assert status_with(diagnostics, message="running", stream="running")


@pytest.mark.parametrize(("min_frames", "index"), [(1, 0), pytest.param(3, 8, marks=pytest.mark.slow)])
def test_without_lookahead_labels_start_provisionally_with_min_frames(client, start, tiny_bundle, min_frames, index):
    model = tiny_bundle("cox3d", "none")  # samples every 0.4 s
    node = start("recognizer", {**RELIABLE, "model": model, "min_frames": min_frames})
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    provisional = client.collect(Bool, f"{NODE}/provisional", LATCHED)
    events = client.collect(ActivityEvent, f"{NODE}/events")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    frames = clip()
    camera.send_all(frames[:index])
    assert received == []
    camera.send(frames[index])
    client.until(lambda: received and provisional and events, what="a provisional label and its beginning")
    assert stamp_ns(received[0].header) == START_NS + frames[index].stamp_ns
    assert [message.data for message in provisional] == [True]
    assert events[0].kind == ActivityEvent.BEGAN
    status = client.until(lambda: status_with(diagnostics, stream=f"provisional {min_frames}/3"))
    assert values_of(status)["label delay (s)"] == "0.0"
    seconds = 0.4 * (min_frames - 1)
    log = f"first label with sampled frame {min_frames}, after about {seconds:.1f} s; label delay 0.0 s"
    assert log in node.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method", "delay"),
    [
        (("x3d",), "x3d_xs, label delay 0.0 s", "0.0"),
        (("cox3d", "full"), "cox3d_xs, lookahead full, label delay 11.2 s", "11.2"),
        (("cox3d", "none"), "cox3d_xs, lookahead none, label delay 0.0 s", "0.0"),
    ],
)
def test_the_label_delay_is_published_and_logged(client, start, tiny_bundle, kind, method, delay):
    node = start("recognizer", {"model": tiny_bundle(*kind)})
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    client.until(lambda: infos and diagnostics and diagnostics[-1].status[0].message != "not active", what="the delay")
    assert values_of(diagnostics[-1].status[0])["label delay (s)"] == delay
    assert infos[0].method == method
    assert f"label delay {delay} s" in node.output


@pytest.mark.slow
def test_a_warm_start_labels_the_first_frame_provisionally(client, start):
    start("recognizer", {**RELIABLE, "warm_start": "repeat"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    provisional = client.collect(Bool, f"{NODE}/provisional", LATCHED)
    wait_for_labels_to_connect(client)
    frames = clip(seconds=4.0)
    camera.send(frames[0])
    client.until(lambda: received and provisional, what="a label of the first frame")
    assert stamp_ns(received[0].header) == START_NS + frames[0].stamp_ns
    assert [message.data for message in provisional] == [True]
    camera.send_all(frames[1:])
    client.until(lambda: len(provisional) == 2)
    assert provisional[1].data is False
    expected = expected_labels(frames, warm_start="repeat")
    client.until(lambda: len(received) == len(expected))
    assert labels_of(received) == expected


@pytest.mark.slow
def test_dense_sampling_labels_every_frame(client, start):
    start("recognizer", {**RELIABLE, "sampling": "dense"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip(seconds=4.0, fps=30.0)
    expected = expected_labels(frames, sampling="dense")
    stamps = {stamp for stamp, _ in expected}
    for frame in frames:
        seen = len(received)
        camera.send(frame)
        if START_NS + frame.stamp_ns in stamps:
            client.until(lambda seen=seen: len(received) > seen, what="a label for every frame")
        else:
            client.spin(0.01)
    assert len(expected) > len(frames) / 2
    assert labels_of(received) == expected
