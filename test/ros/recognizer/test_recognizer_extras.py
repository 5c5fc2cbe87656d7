"""What the recognizer offers beside labels: events, pictures, provisional labels, dense sampling."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from recognizer_support import (
    NODE,
    RELIABLE,
    START_NS,
    Camera,
    clip,
    send_and_see,
    stamp_ns,
    wait_for_labels_to_connect,
)
from sensor_msgs.msg import Image
from std_msgs.msg import Bool
from vision_msgs.msg import Classification

from opendr_har_core import Recognizer
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_ros.common.qos import LATCHED


def shifted(frames, by_ns):
    return [type(frame)(frame.rgb, frame.stamp_ns + by_ns) for frame in frames]


def test_events_tell_when_labels_begin_and_end_and_how_long_they_were(client, running):
    _, camera = running
    events = client.collect(DiagnosticArray, f"{NODE}/events")
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    walking = clip("walking", seconds=5.0)
    frames = walking + shifted(clip("jumping", seconds=5.0), 5 * 10**9)
    send_and_see(client, camera, received, frames)
    labelling = LabelPipeline(Recognizer.open("default").stream(), LabelSettings())
    wanted = [
        (event.kind, event.label, event.stamp_ns, f"{event.duration_sec:.3f}")
        for frame in shifted(frames, START_NS)
        for event in labelling.push(frame)[1]
    ]
    assert {kind for kind, *_ in wanted} == {"began", "ended"}
    client.until(lambda: len(events) >= len(wanted), what="all events")
    got = []
    for message in events:
        (status,) = message.status
        duration = next(item.value for item in status.values if item.key == "duration_sec")
        got.append((status.message, status.name, stamp_ns(message.header), f"{float(duration):.3f}"))
    assert got == wanted
    assert {message.header.frame_id for message in events} == {"front"}


def test_pictures_are_drawn_while_somebody_looks(client, running):
    _, camera = running
    pictures = client.collect(Image, f"{NODE}/image_annotated")
    client.until(lambda: client.node.count_publishers(f"{NODE}/image_annotated"))
    client.spin(0.5)
    frames = clip(seconds=4.0)
    for frame in frames:
        camera.send(frame)
        client.spin(0.05)
    client.until(lambda: pictures and stamp_ns(pictures[-1].header) == START_NS + frames[-1].stamp_ns)
    last = pictures[-1]
    assert (last.height, last.width, last.encoding) == (*frames[-1].size, "rgb8")
    drawn = np.frombuffer(last.data, np.uint8).reshape(frames[-1].rgb.shape)
    changed = (drawn != frames[-1].rgb).any(axis=2)
    assert 0.02 < changed.mean() < 0.8


def test_nothing_is_drawn_while_nobody_looks(client, monkeypatch):
    """In this process, to see that no picture is made at all."""
    import opendr_har_ros.recognizer.camera as module
    from opendr_har_ros.common.lifecycle import ManagedNode
    from opendr_har_ros.common.vision_messages import MessageFactory

    made = []
    monkeypatch.setattr(module, "annotate", lambda *arguments: made.append(arguments))
    node = ManagedNode("drawing", context=client.node.context)
    camera = module.Camera(node, "", MessageFactory())
    outcome = module.Outcome(status=Recognizer.open("default").stream().status, frame=clip()[0])
    camera.draw(outcome, Image())
    assert not made
    camera.close()
    node.destroy_node()


def test_a_warm_start_labels_the_first_frame_and_says_that_it_is_provisional(client, start):
    start("recognizer", {**RELIABLE, "warm_start": "repeat"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    provisional = client.collect(Bool, f"{NODE}/provisional", LATCHED)
    wait_for_labels_to_connect(client)
    frames = clip(seconds=4.0)
    camera.send(frames[0])
    client.until(lambda: received, what="a label of the first frame")
    assert stamp_ns(received[0].header) == START_NS + frames[0].stamp_ns
    client.until(lambda: provisional)
    assert [message.data for message in provisional] == [True]
    for frame in frames[1:]:
        camera.send(frame)
        client.spin(0.05)
    client.until(lambda: len(provisional) == 2)
    assert provisional[1].data is False
    stream = Recognizer.open("default").stream(warm_start="repeat")
    wanted = [p.label for p in map(stream.push, frames) if p]
    client.until(lambda: len(received) == len(wanted))
    assert [message.results[0].class_id for message in received] == wanted


def test_dense_sampling_labels_every_frame(client, start):
    start("recognizer", {**RELIABLE, "sampling": "dense"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip(seconds=4.0, fps=30.0)
    stream = Recognizer.open("default").stream("dense")
    wanted = []
    for frame in frames:
        prediction = stream.push(frame)
        camera.send(frame)
        if prediction:
            wanted.append((START_NS + prediction.stamp_ns, prediction.label))
        client.until(lambda: len(received) >= len(wanted), what="a label for every frame")
        client.spin(0.01)
    assert len(wanted) > len(frames) / 2
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in received] == wanted
