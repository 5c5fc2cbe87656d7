"""The launch files with the real `launch`, where it is installed, in a pushed namespace."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
for needed in ("launch.actions", "launch_ros.actions"):
    pytest.importorskip(needed, reason="launch and launch_ros are not installed; test_launch.py uses a stub")
pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from recognizer_support import clip
from std_msgs.msg import String

from opendr_har_core.media.video import write_video
from opendr_har_ros.common.process import PROFILE

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "opendr_har_ros"
END_SEC = 20.0
# As `ros2 launch FILE name:=value ...`, in a group with a pushed namespace.
LAUNCHER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription
from launch_ros.actions import PushRosNamespace
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(sys.argv[1], launch_arguments=arguments)
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([GroupAction([PushRosNamespace("robot"), included])]))
sys.exit(service.run())
"""


@pytest.fixture
def share(tmp_path, monkeypatch):
    """The package as it is installed, in ament's index."""
    prefix = tmp_path / "prefix"
    folder = prefix / "share" / PACKAGE
    (folder / "config").mkdir(parents=True)
    for path in [*(ROOT / "config").iterdir(), PROFILE]:
        (folder / "config" / path.name).symlink_to(path)
    (folder / "launch").symlink_to(ROOT / "launch")
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / PACKAGE).touch()
    (prefix / "lib").mkdir()
    (prefix / "lib" / PACKAGE).symlink_to(ROOT / "scripts")
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join([str(prefix), os.environ.get("AMENT_PREFIX_PATH", "")]))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    return folder


@pytest.fixture
def launched(share, domain, tmp_path):
    """launched("demo", "video:=...") -> the launch process and its log."""
    started = []

    def launch(name, *arguments):
        log = tmp_path / f"{len(started)}.log"
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": os.pathsep.join(paths)}
        environment["ROS_LOG_DIR"] = str(tmp_path / "ros_log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, str(share / "launch" / f"{name}.launch.py"), *arguments],
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return process, log

    yield launch
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the nodes share its session
            process.wait()


@pytest.fixture
def video(tmp_path):
    return str(write_video(tmp_path / "video.mp4", clip(), 10.0))


def interrupt(process, log):
    """After Ctrl-C the launch process and its nodes end in order."""
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(END_SEC) == 0, log.read_text()
    for fault in ("Traceback", "process has died", "escalating"):
        assert fault not in log.read_text()


@pytest.mark.parametrize(
    ("name", "arguments", "topics"),
    [
        ("demo", [], ["/robot/recognizer/label"]),
        ("multi_camera", ["one_node:=true"], ["/robot/recognizer/front/label", "/robot/recognizer/rear/label"]),
        ("multi_camera", ["one_node:=false"], ["/robot/front/recognizer/label", "/robot/rear/recognizer/label"]),
    ],
)
def test_videos_are_labelled(client, launched, video, name, arguments, topics):
    labels = [client.collect(String, topic) for topic in topics]
    given = [f"video:={video}"] if name == "demo" else ["cameras:=front,rear"]
    started = [launched(name, *arguments, *given)]
    if name == "multi_camera":
        for camera in ("front", "rear"):
            started.append(launched("video_publisher", f"video:={video}", "loop:=0", f"image:={camera}/image_raw"))
    client.until(lambda: all(labels) or started[0][0].poll() is not None, what="labels")
    assert all(labels), started[0][1].read_text()
    for process, log in started:
        interrupt(process, log)


def test_a_recognizer_that_is_killed_is_restarted(client, launched):
    _, log = launched("recognizer")

    def pids():
        return re.findall(r"process started with pid \[(\d+)\]", log.read_text())

    client.until(lambda: client.node.count_publishers("/robot/recognizer/label"), what="a recognizer")
    os.kill(int(pids()[0]), signal.SIGKILL)
    client.until(lambda: len(pids()) == 2, what="a restart")


def test_the_trainer_and_the_web_node_start(client, launched):
    from std_srvs.srv import Trigger

    processes = [launched("trainer"), launched("web", "port:=0")]
    start = client.node.create_client(Trigger, "/robot/trainer/start")
    client.until(start.service_is_ready, what="the trainer's service")
    client.until(lambda: "the page is at" in processes[1][1].read_text(), what="the page")
    for process, log in processes:
        interrupt(process, log)
