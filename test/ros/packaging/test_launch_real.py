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
    pytest.importorskip(needed, reason="launch and launch_ros are not installed")
pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from recognizer_support import clip
from std_msgs.msg import String

from opendr_har_core.media.video import write_video

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "opendr_har_ros"
END_SEC = 20.0
# As `ros2 launch FILE name:=value ...` from a file that sets parameters in a namespace, and drives lifecycle nodes.
LAUNCHER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription, LogInfo, RegisterEventHandler
from launch_ros.actions import PushRosNamespace, SetParameter
from launch_ros.event_handlers import OnStateTransition
from lifecycle_msgs.msg import Transition
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(sys.argv[1], launch_arguments=arguments)
parameters = [SetParameter("use_sim_time", False), SetParameter("threshold", 0.25), SetParameter("loop", 2)]
reaction = RegisterEventHandler(OnStateTransition(goal_state="active", entities=[LogInfo(msg="a node is active")]))
service = LaunchService(noninteractive=True)
actions = [reaction, GroupAction([PushRosNamespace("robot"), *parameters, included])]
if "autostart:=false" in sys.argv:
    from launch_ros.actions import LifecycleTransition  # not in Humble
    states = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
    actions.append(LifecycleTransition(lifecycle_node_names=["/robot/recognizer"], transition_ids=states))
service.include_launch_description(LaunchDescription(actions))
sys.exit(service.run())
"""


@pytest.fixture
def share(tmp_path, monkeypatch):
    """The package as it is installed, in ament's index."""
    prefix = tmp_path / "prefix"
    folder = prefix / "share" / PACKAGE
    folder.mkdir(parents=True)
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


@pytest.mark.parametrize("cameras", [[], ["front", "rear"]])
def test_videos_are_labelled(client, launched, video, cameras):
    if cameras:
        started = [launched("recognizer", f"cameras:={','.join(cameras)}")]
        for camera in cameras:
            started.append(launched("video_publisher", f"video:={video}", "loop:=0", f"image:={camera}/image_raw"))
    else:
        started = [launched("demo", f"video:={video}")]
    labels = [client.collect(String, f"/robot/recognizer/{camera}/label") for camera in cameras]
    labels = labels or [client.collect(String, "/robot/recognizer/label")]
    client.until(lambda: all(labels) or started[0][0].poll() is not None, what="labels")
    assert all(labels), started[0][1].read_text()
    for process, log in started:
        interrupt(process, log)


def parameters_of(client, node, *names):
    """The values that a node in /robot has."""
    answer = client.call(GetParameters, f"/robot/{node}/get_parameters", GetParameters.Request(names=names), attempts=3)
    return [parameter_value_to_python(value) for value in answer.values]


def test_parameters_of_the_including_file_apply_then_those_of_the_file_then_arguments(
    client, launched, video, tmp_path
):
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    model: continual\n    top_k: 2\n    loop: 3\n")
    launched("demo", f"video:={video}", f"params_file:={file}", "top_k:=1")
    assert parameters_of(client, "recognizer", "threshold", "model", "top_k") == [0.25, "continual", 1]
    assert parameters_of(client, "video_publisher", "loop", "transport") == [3, "raw"]


def test_the_demo_repeats_its_video_unless_it_is_told_how_often(client, launched, video):
    launched("demo", f"video:={video}")
    assert parameters_of(client, "video_publisher", "loop") == [0]


def test_a_launch_file_can_drive_the_recognizers_states_and_react_to_them(client, launched):
    process, log = launched("recognizer", "autostart:=false")
    client.until(lambda: "a node is active" in log.read_text(), what="the event")
    interrupt(process, log)


@pytest.mark.parametrize(
    ("name", "arguments", "reasons"),
    [
        ("recognizer", ["transport:=odd"], ["Valid options are: ['', 'raw', 'compressed']"]),
        (
            "recognizer",
            ["threshold:=high", "image_topic:=/cam", "smothing:=1"],
            [
                "threshold is 'high', expected a number, 0 to 1",
                "'image_topic' is unknown and ignored; --show-args lists the arguments",
                "'smothing' is unknown and ignored; did you mean 'smoothing'?",
            ],
        ),
        ("recognizer", ["params_file:={file}"], ["parameter top_k"]),
        ("video_publisher", [], ["parameter video is empty"]),
    ],
)
def test_an_invalid_configuration_ends_the_launch_with_the_reason(launched, name, arguments, reasons, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    top_k: high\n")
    process, log = launched(name, *(argument.format(file=file) for argument in arguments))
    process.wait(END_SEC)
    for reason in reasons:
        assert reason in log.read_text()
    assert log.read_text().count("process started") <= 1


def test_a_recognizer_that_is_killed_is_restarted(client, launched):
    _, log = launched("recognizer")

    def pids():
        return re.findall(r"process started with pid \[(\d+)\]", log.read_text())

    client.until(lambda: client.node.count_publishers("/robot/recognizer/label"), what="a recognizer")
    os.kill(int(pids()[0]), signal.SIGKILL)
    client.until(lambda: len(pids()) == 2, what="a restart")


def test_the_trainer_and_the_web_node_start(client, launched):
    processes = [launched("trainer"), launched("web", "port:=0")]
    client.until(lambda: client.node.count_publishers("/robot/trainer/progress"), what="the trainer")
    client.until(lambda: "the page is at" in processes[1][1].read_text(), what="the page")
    for process, log in processes:
        interrupt(process, log)
