"""What a network, a second camera, a clock and neighbours may do to a running recognizer, over DDS."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from recognizer_support import (
    NODE,
    START_NS,
    clip,
    expected_labels,
    image_of,
    send_and_see,
    stamp_ns,
    status_with,
    values_of,
    wait_for_labels_to_connect,
)
from sensor_msgs.msg import Image
from vision_msgs.msg import Classification

from opendr_har_core.media.video import write_video
from opendr_har_ros.common.qos import image_qos

SEED = 20
JOINS, FIRST = 200, 50


@pytest.fixture
def watched(client, running):
    """The node, a camera, and what the recognizer says."""
    node, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    return node, camera, received, diagnostics


def film():
    return clip(seconds=8.0)


def labels(messages):
    return [(stamp_ns(message.header), message.results[0].class_id) for message in messages]


def repeated(frames):
    """Every other image comes twice."""
    return [frame for index, frame in enumerate(frames) for _ in range(1 + index % 2)]


def swapped(frames):
    """One of three images is overtaken by the next."""
    order = sorted(range(len(frames)), key=lambda index: index + 1.5 * (index % 3 == 2))
    return [frames[index] for index in order]


def delayed(frames):
    """One of five comes four images late."""
    order = sorted(range(len(frames)), key=lambda index: index + 4.5 * (index % 5 == 2))
    return [frames[index] for index in order]


def thinned(frames):
    """One of twenty is lost."""
    rng = random.Random(SEED)
    return [frame for frame in frames if rng.random() >= 0.05]


@pytest.mark.parametrize("spoil", [repeated, swapped, delayed, thinned])
def test_images_that_come_twice_out_of_order_late_or_never_cost_no_history(client, watched, spoil):
    """Labels are those of the library for what arrived, and, by far, those for what was sent."""
    _, camera, received, diagnostics = watched
    send_and_see(client, camera, received, spoil(film()))
    undisturbed = dict(expected_labels(film()))
    assert labels(received) == expected_labels(spoil(film()))
    agreeing = [undisturbed.get(stamp, label) == label for stamp, label in labels(received)]
    assert sum(agreeing) >= 0.8 * len(agreeing)
    assert len(received) >= 0.8 * len(undisturbed)
    status = client.until(lambda: status_with(diagnostics, message="running"))
    assert values_of(status)["stream resets"] == "0"
    if spoil in (swapped, delayed):
        assert int(values_of(status)["frames out of order"]) > 5


def test_stamps_that_never_change_are_pointed_out(client, watched):
    _, camera, _, diagnostics = watched
    frame = film()[0]
    for _ in range(60):
        camera.send(frame)
        client.spin(0.03)
    status = client.until(lambda: status_with(diagnostics, message="do not advance; let the camera's driver set them"))
    assert status.level == b"\x01"
    send_and_see(client, camera, [], [])
    for frame in film()[1:20]:
        camera.send(frame)
        client.spin(0.03)
    assert client.until(lambda: status_with(diagnostics, message="running")).level == b"\x00"


@pytest.fixture
def neighbour(client):
    """Another node, with a publisher of images on the same topic."""
    node = rclpy.create_node("other_camera", context=client._context)
    yield node.create_publisher(Image, "image_raw", image_qos(True))
    node.destroy_node()


def test_a_second_camera_that_is_behind_changes_nothing_and_is_pointed_out(client, watched, neighbour):
    _, camera, received, diagnostics = watched
    client.until(lambda: neighbour.get_subscription_count() == 1)
    others = clip("jumping jacks", seconds=8.0, size=(240, 320))

    class Both:
        @staticmethod
        def send(frame):
            neighbour.publish(image_of(others[index_of[frame.stamp_ns]], START_NS + frame.stamp_ns - 130_000_000))
            client.spin(0.02)
            camera.send(frame)

    index_of = {frame.stamp_ns: index for index, frame in enumerate(film())}
    first, *rest = film()
    camera.send(first)
    client.spin(0.2)
    send_and_see(client, Both, received, [first, *rest])
    assert labels(received) == expected_labels(film())
    status = client.until(
        lambda: status_with(diagnostics, message="has several publishers (/other_camera, /test_client)")
    )
    assert status.level == b"\x01"
    assert values_of(status)["stream resets"] == "0"


def test_two_cameras_that_take_turns_give_no_labels_but_the_reason(client, watched, neighbour):
    _, camera, received, diagnostics = watched
    client.until(lambda: neighbour.get_subscription_count() == 1)
    for frame, other in zip(film(), clip("jumping jacks", seconds=8.0, size=(240, 320))):
        camera.send(frame)
        client.spin(0.03)
        neighbour.publish(image_of(other, START_NS + frame.stamp_ns + 30_000_000))
        client.spin(0.03)
    assert received == []
    status = client.until(
        lambda: status_with(diagnostics, last_reset="frame size changed", message="several publishers")
    )
    assert int(values_of(status)["stream resets"]) > 50


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


def test_a_wall_clock_that_jumps_an_hour_costs_one_warm_up_each_time(client, start, tmp_path, wall_clock):
    """That of the camera and the recognizer, as when NTP gets hold of a robot."""
    env, jump = wall_clock
    node = start("recognizer", env=env)
    video = write_video(tmp_path / "walking.mp4", clip(seconds=4.0), 10.0)
    start("video_publisher", {"video": video, "loop": 0, "stamps": "now"}, env=env)
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
    assert "Traceback" not in node.output


def test_two_hundred_neighbours_that_come_and_go_leave_nothing_behind(client, domain, running, record_property):
    """Each looks at the labels and offers images, as a person's laptop with its tools does."""
    node, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    frames = iter(clip(seconds=2.5 * JOINS / 10, size=(60, 80)))
    used = []
    for _ in range(JOINS):
        context = rclpy.Context()
        rclpy.init(args=[], context=context, domain_id=domain)
        other = rclpy.create_node("visitor", context=context)
        other.create_subscription(Classification, f"{NODE}/classification", received.append, 1)
        other.create_publisher(Image, "image_raw", image_qos(True))
        camera.send(next(frames))
        client.spin(0.02)
        other.destroy_node()
        context.shutdown()
        used.append(usage(node.process.pid))
    seen = len(received)
    for frame in frames:
        camera.send(frame)
        client.spin(0.03)
    client.until(lambda: len(received) > seen + 3, what="labels after all have gone")
    memory, threads, files = zip(*used[FIRST:])
    record_property("kB_a_neighbour", round((memory[-1] - memory[0]) / len(memory), 1))
    assert (memory[-1] - memory[0]) / len(memory) < 40.0
    assert max(threads) - min(threads) <= 2
    assert max(files) - min(files) <= 4
    assert "Traceback" not in node.output


def usage(pid):
    """(resident kB, threads, open files)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), int(status["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))
