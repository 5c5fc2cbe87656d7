"""What `opendr-har doctor` finds in a ROS graph: QoS mismatches, lost images, missing remaps."""

from __future__ import annotations

import array
import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import Image

from opendr_har_ros.common.qos import image_qos
from opendr_har_ros.common.statistics import Statistics
from opendr_har_ros.doctor.topics import Topic, losses, mismatches

COMMAND = [sys.executable, "-c", "import sys; from opendr_har_core.cli.main import main; sys.exit(main(sys.argv[1:]))"]


class Publisher:
    """Publishes images at a rate from a thread of the test's process, while used as a context."""

    def __init__(self, client, topic, hz=20.0, reliable=False, side=64):
        self._publisher = client.node.create_publisher(Image, topic, image_qos(reliable))
        self._clock = client.node.get_clock()
        self._interval = 1 / hz
        data = array.array("B", bytes(3 * side * side))
        self._image = Image(height=side, width=side, encoding="rgb8", step=3 * side, data=data)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self):
        while not self._stop.wait(self._interval):
            self._image.header.stamp = self._clock.now().to_msg()
            self._publisher.publish(self._image)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def without_profile(environment):
    return {name: value for name, value in environment.items() if "DEFAULT_PROFILES_FILE" not in name}


@pytest.fixture
def large_images(domain):
    """A process that publishes 640x480 best-effort images with the default Fast DDS profile."""
    code = """
import array, time, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("usb_cam")
qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = node.create_publisher(Image, "/camera/image_raw", qos)
image = Image(height=480, width=640, encoding="rgb8", step=1920, data=array.array("B", bytes(640 * 480 * 3)))
while True:
    image.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(image)
    time.sleep(1 / 30)
"""
    env = {**without_profile(os.environ), "ROS_DOMAIN_ID": str(domain)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env)
    yield
    process.kill()
    process.wait()


@pytest.fixture
def doctor(domain):
    """Runs the command in the test's domain: (exit code, its JSON)."""

    def run(*arguments, profile=True):
        env = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
        if not profile:
            env = without_profile(env)
        command = [*COMMAND, "doctor", "--json", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
        assert "Traceback" not in done.stderr, done.stderr
        sys.stderr.write(done.stdout + done.stderr)
        return done.returncode, json.loads(done.stdout)

    return run


def facts(report):
    return next(section["facts"] for section in report["sections"] if section["title"] == "ROS 2")


def findings(report):
    return [finding["what"] for finding in report["findings"]]


@pytest.mark.slow
def test_a_graph_without_topics_has_no_findings(doctor):
    code, report = doctor()
    assert (code, findings(report)) == (0, [])
    assert facts(report)["middleware"] == "rmw_fastrtps_cpp"
    assert "ObjectHypothesis of class_id, score" in facts(report)["vision_msgs"]
    assert "opendr_har_msgs" in facts(report)
    assert facts(report)["image topics"] == "none"


def test_a_qos_mismatch_is_found(client, doctor):
    client.node.create_subscription(Image, "/camera/image_raw", print, image_qos(reliable=True))
    with Publisher(client, "/camera/image_raw"):
        code, report = doctor()
    assert code == 1
    (what,) = findings(report)
    assert "/test_client gets no image from /test_client on /camera/image_raw" in what
    assert "requests reliable delivery, but best effort is offered" in what
    described = facts(report)["/camera/image_raw"]
    assert described.startswith("Image from /test_client (best effort), to /test_client, ")
    assert float(described.split(", ")[2].split(" Hz")[0]) == pytest.approx(20, rel=0.3)
    assert described.endswith("12 KiB each")


@pytest.mark.slow
def test_large_best_effort_images_without_the_profile_are_found(large_images, doctor):
    code, report = doctor(profile=False)
    assert code == 1
    (finding,) = report["findings"]
    assert "/camera/image_raw" in finding["what"]
    assert "_DEFAULT_PROFILES_FILE=" in finding["do"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recognizer", "people"])
def test_a_node_without_images_is_found_with_the_published_topics(client, start, doctor, name):
    start(name)
    client.until(lambda: client.node.count_subscribers("/image_raw"))
    with Publisher(client, "/camera/image_raw"):
        code, report = doctor()
    assert code == 1
    (finding,) = [finding for finding in report["findings"] if "waits for images" in finding["what"]]
    assert finding["what"] == f"/{name} waits for images on /image_raw, which has no publisher"
    assert finding["do"] == "remap image_raw; published are: /camera/image_raw"
    assert [what for what in findings(report) if "image_annotated" in what] == []
    assert any("no image has arrived" in what for what in findings(report))


@pytest.mark.slow
def test_a_slow_camera_is_found(client, start, doctor):
    start("recognizer")
    client.until(lambda: client.node.count_subscribers("/image_raw"))
    with Publisher(client, "/image_raw"):
        code, report = doctor()
    assert (code, findings(report)) == (0, [])
    assert "to /recognizer" in facts(report)["/image_raw"]
    with Publisher(client, "/image_raw", hz=2.0):
        code, report = doctor("--seconds", "4")
    assert code == 1
    assert any("/recognizer gets 2." in what or "/recognizer gets 1." in what for what in findings(report))


@pytest.mark.slow
def test_a_silent_camera_is_found(client, doctor):
    client.node.create_publisher(Image, "/camera/image_raw", image_qos(reliable=True))
    code, report = doctor()
    assert code == 1
    assert findings(report) == ["/camera/image_raw has a publisher, but no image arrived"]


@pytest.mark.slow
def test_a_middleware_that_does_not_start_is_found(monkeypatch, doctor):
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_of_nobody")
    code, report = doctor()
    assert code == 1
    assert any("rmw_of_nobody" in what for what in findings(report))


def endpoint(name, reliable=False, transient=False):
    profile = SimpleNamespace(
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if transient else DurabilityPolicy.VOLATILE,
    )
    return SimpleNamespace(node_name=name, node_namespace="/", qos_profile=profile)


def topic(publishers, subscriptions=(), largest=0, stamps=()):
    statistics = Statistics()
    for stamp in stamps:
        statistics.received(stamp, stamp)
    report = statistics.report(stamps[-1] if stamps else 0)
    return Topic("/image_raw", "sensor_msgs/msg/Image", publishers, subscriptions, publishers, report, largest)


@pytest.mark.parametrize(
    ("offered", "wanted", "count"),
    [
        ({}, {}, 0),
        ({}, {"reliable": True}, 1),
        ({"reliable": True}, {}, 0),
        ({"reliable": True}, {"reliable": True, "transient": True}, 1),
        ({"reliable": True, "transient": True}, {"reliable": True, "transient": True}, 0),
    ],
)
def test_qos_compatibility(offered, wanted, count):
    found = mismatches(topic([endpoint("camera", **offered)], [endpoint("recognizer", **wanted)]))
    assert len(found) == count


REGULAR = [10**9 + index * 33_000_000 for index in range(60)]
FEW = REGULAR[::20]


@pytest.mark.parametrize(
    ("stamps", "largest", "reliable", "has_profile", "expected"),
    [
        (REGULAR, 900_000, False, False, ""),  # all arrive
        (REGULAR, 9_000, False, False, ""),
        (FEW, 9_000, False, False, ""),
        (FEW, 900_000, False, False, "best-effort images of 878 KiB"),
        (FEW, 900_000, True, False, ""),
        (FEW, 900_000, False, True, ""),
        ([], 0, False, True, "no image arrived"),
    ],
)
def test_losses_are_predicted_from_size_and_profile(stamps, largest, reliable, has_profile, expected):
    found = losses(topic([endpoint("camera", reliable)], largest=largest, stamps=stamps), has_profile)
    assert [finding.what for finding in found] == ([] if not expected else [found[0].what])
    assert not expected or expected in found[0].what
