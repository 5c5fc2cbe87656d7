"""Faults of networks, cameras, clocks and neighbours: labels resume, and the diagnostics give the reason."""

from __future__ import annotations

import random
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
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
    values_of,
    wait_for_labels_to_connect,
)
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from vision_msgs.msg import Classification

from opendr_har_core.media.video import write_video
from opendr_har_ros.common.qos import image_qos

SEED = 20
VISITORS, FIRST = 200, 50


@pytest.fixture
def watched(client, running):
    """The process, a camera, and what the recognizer publishes."""
    node, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    return node, camera, received, diagnostics


def video():
    return clip(seconds=8.0)


def repeated(frames):
    """Every other image arrives twice."""
    return [frame for index, frame in enumerate(frames) for _ in range(1 + index % 2)]


def swapped(frames):
    """One of three images is overtaken by the next."""
    order = sorted(range(len(frames)), key=lambda index: index + 1.5 * (index % 3 == 2))
    return [frames[index] for index in order]


def delayed(frames):
    """One of five images arrives four images late."""
    order = sorted(range(len(frames)), key=lambda index: index + 4.5 * (index % 5 == 2))
    return [frames[index] for index in order]


def thinned(frames):
    """One of twenty images is lost."""
    rng = random.Random(SEED)
    return [frame for frame in frames if rng.random() >= 0.05]


@pytest.mark.slow
@pytest.mark.parametrize("disturb", [swapped, repeated, delayed, thinned])
def test_duplicate_reordered_late_and_lost_images_reset_nothing(client, watched, disturb):
    """Labels are those of the library for what arrived, and mostly those for what was sent."""
    _, camera, received, diagnostics = watched
    send_and_see(client, camera, received, disturb(video()))
    undisturbed = dict(expected_labels(video()))
    assert labels_of(received) == expected_labels(disturb(video()))
    agreeing = [undisturbed.get(stamp, label) == label for stamp, label in labels_of(received)]
    assert sum(agreeing) >= 0.8 * len(agreeing)
    assert len(received) >= 0.8 * len(undisturbed)
    status = client.until(lambda: status_with(diagnostics, message="running"))
    assert values_of(status)["stream resets"] == "0"
    if disturb in (swapped, delayed):
        assert int(values_of(status)["frames out of order"]) > 5


def test_stamps_that_never_advance_are_a_warning(client, watched):
    _, camera, _, diagnostics = watched
    camera.send_all([video()[0]] * 60, seconds=0.02)
    status = client.until(
        lambda: status_with(diagnostics, message="do not advance; fix the stamps in the camera driver")
    )
    assert status.level == b"\x01"
    camera.send_all(video()[1:20], seconds=0.03)
    assert client.until(lambda: status_with(diagnostics, message="running")).level == b"\x00"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("second", "reason"),
    [
        pytest.param(clip, "stamp went back by", id="a bag that starts again"),
        pytest.param(lambda: shifted(clip(), 3600.0), "gap of 359", id="a clock that jumps forward"),
        pytest.param(
            lambda: shifted(clip(size=(240, 320)), 4.0), "frame size changed from 160x120 to 320x240", id="resolution"
        ),
    ],
)
def test_the_diagnostics_give_the_reason_of_a_reset(client, watched, second, reason):
    node, camera, received, diagnostics = watched
    send_and_see(client, camera, received, clip(seconds=3.0))
    frames = second()
    seen = len(received)
    camera.send_all(frames)
    expected = expected_labels(frames)
    client.until(lambda: len(received) >= seen + len(expected), what="labels of the new history")
    assert labels_of(received[seen:]) == expected
    assert client.until(lambda: status_with(diagnostics, last_reset=reason, stream_resets="1", message="running"))
    assert f"history reset: {reason}" in node.output


@pytest.mark.slow
def test_a_camera_that_restarts_is_received_again(client, watched):
    _, camera, received, diagnostics = watched
    other = Camera(client)
    client.node.destroy_publisher(other.publisher)
    send_and_see(client, camera, received, clip())
    assert client.until(lambda: status_with(diagnostics, message="no image for")).level == b"\x01"
    frames = shifted(clip("jumping"), 30.0)
    assert labels_of(send_and_see(client, camera, received, frames)) == expected_labels(frames)
    assert client.until(lambda: status_with(diagnostics, message="running")).level == b"\x00"


@pytest.fixture
def video_file(tmp_path):
    return write_video(tmp_path / "walking.mp4", clip(seconds=4.0), 10.0)


@pytest.mark.slow
def test_labels_resume_after_the_camera_and_after_the_recognizer_were_killed(client, start, video_file):
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")

    def labels_arrive():
        seen = len(received)
        client.until(lambda: len(received) > seen + 3, what="labels")

    def kill(node):
        node.process.send_signal(signal.SIGKILL)
        assert node.process.wait() == -signal.SIGKILL

    recognizer = start("recognizer")
    publisher = start("video_publisher", {"video": video_file, "loop": 0})
    labels_arrive()
    kill(publisher)
    client.until(lambda: status_with(diagnostics, message="no image for"))
    start("video_publisher", {"video": video_file, "loop": 0})
    labels_arrive()
    client.until(lambda: status_with(diagnostics, last_reset="gap of", message="running"))
    kill(recognizer)
    start("recognizer")
    labels_arrive()
    count = len(diagnostics)
    client.until(lambda: len(diagnostics) > count and status_with(diagnostics, message="running"))


@pytest.mark.slow
def test_a_simulated_clock_that_goes_back_stops_neither_labels_nor_diagnostics(client, start):
    start("recognizer", {**RELIABLE, "use_sim_time": "true"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    clock = client.node.create_publisher(Clock, "/clock", 10)
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    expected = []
    for _ in range(2):  # a bag that is looped
        for frame in clip(seconds=4.0):
            now = Clock()
            now.clock.sec, now.clock.nanosec = divmod(START_NS + frame.stamp_ns, 10**9)
            clock.publish(now)
            camera.send(frame)
            client.spin(0.05)
        expected += expected_labels(clip(seconds=4.0))
    client.until(lambda: len(received) >= len(expected), what="all labels")
    assert labels_of(received) == expected
    status = client.until(lambda: status_with(diagnostics, last_reset="stamp went back by", message="running"))
    assert float(values_of(status)["latency p50 (ms)"]) < 1000.0, "latency on another clock than the stamps'"


@pytest.fixture
def neighbour(client):
    """Another node, with a publisher of images on the same topic."""
    node = rclpy.create_node("other_camera", context=client.context)
    publisher = node.create_publisher(Image, "image_raw", image_qos(True))
    client.until(lambda: publisher.get_subscription_count() == 1)
    client.spin(DISCOVERY_SEC)
    yield publisher
    node.destroy_node()


@pytest.mark.slow
def test_a_second_camera_that_is_late_changes_no_label_and_is_a_warning(client, watched, neighbour):
    _, camera, received, diagnostics = watched
    others = clip("jumping jacks", seconds=8.0, size=(240, 320))
    index_of = {frame.stamp_ns: index for index, frame in enumerate(video())}

    class Both:
        @staticmethod
        def send(frame):
            neighbour.publish(image_of(others[index_of[frame.stamp_ns]], START_NS + frame.stamp_ns - 130_000_000))
            client.spin(0.02)
            camera.send(frame)

    first, *rest = video()
    camera.send(first)
    client.spin(0.2)
    send_and_see(client, Both, received, [first, *rest])
    assert labels_of(received) == expected_labels(video())
    several = "has several publishers (/other_camera, /test_client)"
    status = client.until(lambda: status_with(diagnostics, message=several))
    assert status.level == b"\x01"
    assert values_of(status)["stream resets"] == "0"


def test_two_cameras_in_turns_give_no_labels_but_a_warning(client, watched, neighbour):
    _, camera, received, diagnostics = watched
    for frame, other in zip(clip(), clip("jumping jacks", size=(240, 320))):
        camera.send(frame)
        client.spin(0.03)
        neighbour.publish(image_of(other, START_NS + frame.stamp_ns + 30_000_000))
        client.spin(0.03)
    assert received == []
    wanted = {"last_reset": "frame size changed", "message": "several publishers"}
    status = client.until(lambda: status_with(diagnostics, **wanted))
    assert int(values_of(status)["stream resets"]) > 25


@pytest.fixture
def wall_clock(tmp_path):
    """(environment of processes, function that sets their wall clock so many seconds ahead); Linux."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to build the clock that jumps")
    library, offset = tmp_path / "jumping_clock.so", tmp_path / "offset"
    source = Path(__file__).with_name("jumping_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    offset.write_bytes(bytes(8))

    def jump(seconds):
        with offset.open("r+b") as file:
            file.write(struct.pack("=q", seconds))

    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(offset)}, jump


@pytest.mark.slow
def test_each_jump_of_the_wall_clock_costs_one_warm_up(client, start, video_file, wall_clock):
    """The clock of the camera and of the recognizer, as when NTP corrects a robot's clock."""
    env, jump = wall_clock
    start("recognizer", env=env)
    start("video_publisher", {"video": video_file, "loop": 0, "stamps": "now"}, env=env)
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    client.until(lambda: len(received) > 3, what="labels")
    for number, (ahead, reason) in enumerate(((3600, "gap of 3"), (0, "went back by 3"), (-3600, "went back by 3"))):
        jump(ahead)
        wanted = {"last_reset": reason, "stream_resets": str(number + 1)}
        client.until(lambda wanted=wanted: status_with(diagnostics, **wanted), what=f"a jump to {ahead} s")
        seen, said = len(received), len(diagnostics)
        client.until(lambda seen=seen: len(received) > seen + 3, what=f"labels after a jump to {ahead} s")
        client.until(lambda said=said: len(diagnostics) > said and status_with(diagnostics, message="running"))
    latency = float(values_of(diagnostics[-1].status[0])["latency p99 (ms)"])
    assert 0 < latency < 2000.0


@pytest.mark.slow
def test_two_hundred_neighbours_leave_no_memory_threads_or_files(client, domain, running, record_property):
    """Each subscribes to the labels and offers images, as a laptop with tools does."""
    node, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    frames = iter(clip(seconds=2.5 * VISITORS / 10, size=(60, 80)))
    used = []
    for _ in range(VISITORS):
        context = rclpy.Context()
        rclpy.init(args=[], context=context, domain_id=domain)
        other = rclpy.create_node("visitor", context=context)
        other.create_subscription(Classification, f"{NODE}/classification", received.append, 1)
        other.create_publisher(Image, "image_raw", image_qos(True))
        camera.send(next(frames))
        client.spin(0.02)
        other.destroy_node()
        context.shutdown()
        used.append(node.usage)
    seen = len(received)
    camera.send_all(frames, seconds=0.03)
    client.until(lambda: len(received) > seen + 3, what="labels after all have gone")
    memory, threads, files = zip(*used[FIRST:])
    record_property("kB_a_neighbour", round((memory[-1] - memory[0]) / len(memory), 1))
    assert (memory[-1] - memory[0]) / len(memory) < 40.0
    assert max(threads) - min(threads) <= 2
    assert max(files) - min(files) <= 4
