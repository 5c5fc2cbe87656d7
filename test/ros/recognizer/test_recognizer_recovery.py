"""What happens to cameras, clocks and processes on a robot, and that labels come again each time, with the reason."""

from __future__ import annotations

import signal

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
    expected_labels,
    send_and_see,
    stamp_ns,
    status_with,
    wait_for_labels_to_connect,
)
from rosgraph_msgs.msg import Clock
from vision_msgs.msg import Classification

from opendr_har_core.frame import Frame
from opendr_har_core.media.video import write_video


@pytest.fixture
def watched(client, running):
    """A camera, and what the recognizer says."""
    _, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    return camera, received, diagnostics


def later(frames, seconds):
    return [Frame(frame.rgb, frame.stamp_ns + round(seconds * 10**9)) for frame in frames]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        pytest.param(clip, "stamp went back by", id="a bag that starts again"),
        pytest.param(lambda: later(clip(), 3600.0), "gap of 359", id="a clock that jumps forward"),
        pytest.param(lambda: later(clip(size=(240, 320)), 10.0), "gap of", id="another resolution after a pause"),
        pytest.param(
            lambda: later(clip(size=(240, 320)), 4.0), "frame size changed from 160x120 to 320x240", id="resolution"
        ),
    ],
)
def test_a_new_history_begins_and_the_diagnostics_say_why(client, watched, second, reason):
    camera, received, diagnostics = watched
    send_and_see(client, camera, received, clip())
    frames = second()
    seen = len(received)
    for frame in frames:
        camera.send(frame)
        client.spin(0.05)
    wanted = expected_labels(frames)
    client.until(lambda: len(received) >= seen + len(wanted), what="labels of the new history")
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in received[seen:]] == wanted
    assert client.until(lambda: status_with(diagnostics, last_reset=reason, stream_resets="1", message="running"))


def test_a_camera_that_starts_again_is_heard_again(client, watched):
    camera, received, diagnostics = watched
    send_and_see(client, camera, received, clip())
    client.node.destroy_publisher(camera.publisher)
    status = client.until(lambda: status_with(diagnostics, message="no image for"))
    assert status.level == b"\x01"
    again = Camera(client)
    again.wait_for_recognizer()
    client.spin(0.5)
    frames = later(clip("jumping"), 30.0)
    got = send_and_see(client, again, received, frames)
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in got] == expected_labels(frames)
    assert client.until(lambda: status_with(diagnostics, message="running")).level == b"\x00"


@pytest.fixture
def film(tmp_path):
    return write_video(tmp_path / "walking.mp4", clip(seconds=4.0), 10.0)


def test_a_publisher_that_was_killed_and_started_again_is_heard_again(client, start, film):
    start("recognizer")
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    for life in range(2):
        publisher = start("video_publisher", {"video": film, "loop": 0})
        seen = len(received)
        client.until(lambda seen=seen: len(received) > seen + 3, what="labels")
        if life == 1:
            client.until(lambda: status_with(diagnostics, last_reset="gap of", message="running"))
        publisher.process.send_signal(signal.SIGKILL)
        publisher.process.wait()
        client.until(lambda: status_with(diagnostics, message="no image for"), what="that the camera is missed")


def test_a_recognizer_that_was_killed_and_started_again_labels_again(client, start, film):
    start("video_publisher", {"video": film, "loop": 0})
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    for _ in range(2):
        node = start("recognizer")
        seen, said = len(received), len(diagnostics)
        client.until(lambda seen=seen: len(received) > seen + 3, what="labels")
        client.until(lambda said=said: len(diagnostics) > said and status_with(diagnostics, message="running"))
        node.process.send_signal(signal.SIGKILL)
        assert node.process.wait() == -signal.SIGKILL


def test_a_simulated_clock_that_goes_back_stops_neither_labels_nor_diagnostics(client, start):
    node = start("recognizer", {**RELIABLE, "use_sim_time": "true"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    clock = client.node.create_publisher(Clock, "/clock", 10)
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    wanted = []
    for turn in range(2):  # a bag that is looped
        for frame in clip(seconds=4.0):
            now = Clock()
            now.clock.sec, now.clock.nanosec = divmod(START_NS + frame.stamp_ns, 10**9)
            clock.publish(now)
            camera.send(frame)
            client.spin(0.05)
        wanted += expected_labels(clip(seconds=4.0))
        count = len(wanted)
        client.until(lambda count=count: len(received) >= count, what=f"the labels of turn {turn}")
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in received] == wanted
    status = client.until(lambda: status_with(diagnostics, last_reset="stamp went back by", message="running"))
    latency = float(next(item.value for item in status.values if item.key == "latency p50 (ms)"))
    assert latency < 1000.0, "latency on another clock than the stamps'"
    assert "Traceback" not in node.output
