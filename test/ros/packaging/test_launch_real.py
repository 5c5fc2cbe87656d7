"""The launch files on the real `launch`: under a robot's own launch file, and started for real over DDS.

What each file starts, in both forms, `test_launch.py` checks on the real `launch`, too.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REASON = "launch and launch_ros are not installed; test_launch.py uses a stand-in"
for needed in ("launch.actions", "launch_ros.actions", "launch_yaml"):
    pytest.importorskip(needed, reason=REASON)
pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace
from std_msgs.msg import String

from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.process import PROFILE

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "opendr_har_ros"
FORMS = ("py", "yaml")
EXECUTABLES = ("recognizer", "video_publisher", "trainer")
END_SEC = 20.0
# As `ros2 launch FILE name:=value ...` does.
LAUNCHER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(AnyLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""
EXECUTABLE = """#!{python}
import sys
from opendr_har_ros.entry import {name}
sys.exit({name}())
"""


@pytest.fixture
def share(tmp_path, monkeypatch):
    """The package as it is installed: share, index and executables; found by ament's index."""
    prefix = tmp_path / "prefix"
    folder = prefix / "share" / PACKAGE
    (folder / "config").mkdir(parents=True)
    for path in [*(ROOT / "config").iterdir(), PROFILE]:
        (folder / "config" / path.name).symlink_to(path)
    (folder / "launch").symlink_to(ROOT / "launch")
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / PACKAGE).touch()
    (prefix / "lib" / PACKAGE).mkdir(parents=True)
    for name in EXECUTABLES:
        script = prefix / "lib" / PACKAGE / name
        script.write_text(EXECUTABLE.format(python=sys.executable, name=name))
        script.chmod(0o755)
    paths = [str(prefix), *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(paths))
    return folder


@pytest.fixture
def visited(share):
    """visited(action, ...) -> the nodes that a robot's launch file of these would start."""
    spec = importlib.util.spec_from_file_location("launch_real", Path(__file__).with_name("launch_real.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def visit(*actions):
        context = module.Context(share, {})
        context.visit(LaunchDescription(actions))
        return context.nodes

    return visit


@pytest.fixture
def included(share):
    def include(name, form, **arguments):
        source = AnyLaunchDescriptionSource(str(share / "launch" / f"{name}.launch.{form}"))
        return IncludeLaunchDescription(source, launch_arguments=[*arguments.items()])

    return include


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("given", "expected"), [("", "/robot"), ("head", "/robot/head"), ("/other", "/other")])
def test_a_pushed_namespace_goes_before_ours(visited, included, form, given, expected):
    recognizer = included("recognizer", form, namespace=given, image="cam/image_raw")
    (node,) = visited(GroupAction([PushRosNamespace("robot"), recognizer]))
    assert node["namespace"] == expected
    assert node["remaps"]["image_raw"] == "cam/image_raw"  # relative: it follows the namespace


@pytest.mark.parametrize("form", FORMS)
def test_cameras_with_a_node_each_take_the_images_of_the_pushed_namespace(visited, included, form):
    cameras = included("multi_camera", form, cameras="front,rear", one_node="false", namespace="head")
    front, rear = visited(GroupAction([PushRosNamespace("robot"), cameras]))
    assert (front["namespace"], rear["namespace"]) == ("/robot/head/front", "/robot/head/rear")
    assert front["remaps"]["image_raw"] == "/robot/head/front/image_raw"
    assert rear["remaps"]["image_raw"] == "/robot/head/rear/image_raw"


@pytest.mark.parametrize("form", FORMS)
def test_side_by_side_in_groups_each_keeps_its_own_arguments(visited, included, form):
    parts = [
        GroupAction([included("recognizer", form, model="/a.onnx", namespace="a")]),
        GroupAction([included("video_publisher", form, video="b.mp4")]),
        GroupAction([included("recognizer", form)]),
    ]
    first, video, second = visited(*parts)
    assert [Path(file).name for node in (first, video) for file in node["files"]] == [
        "recognizer.yaml",
        "video_publisher.yaml",
    ]
    assert (first["given"].get("model"), second["given"].get("model")) == ("/a.onnx", None)
    assert second["namespace"] == "/"


@pytest.fixture
def launched(share, domain, tmp_path):
    """launched("demo", "py", "video:=...") -> the launch process and its log."""
    started = []

    def launch(name, form, *arguments):
        file = share / "launch" / f"{name}.launch.{form}"
        log = tmp_path / f"{name}.log"
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": os.pathsep.join(paths)}
        environment["ROS_LOG_DIR"] = str(tmp_path / "ros_log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, str(file), *arguments],
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
            os.killpg(process.pid, signal.SIGKILL)  # its own session: the nodes, too
            process.wait()


@pytest.fixture
def film(tmp_path):
    return str(write_video(tmp_path / "film.mp4", render_clip("walking", 4.0, 10.0, size=(120, 160), seed=11), 10.0))


def interrupted(process, log):
    """After a Ctrl-C; both the launch and its nodes have ended in order."""
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(END_SEC) == 0, log.read_text()
    text = log.read_text()
    assert "Traceback" not in text
    assert "process has died" not in text
    assert "escalating" not in text


@pytest.mark.parametrize("form", FORMS)
def test_the_demo_labels_its_video(client, launched, film, form):
    labels = client.collect(String, "/robot/recognizer/label")
    process, log = launched("demo", form, f"video:={film}", "namespace:=robot")
    client.until(lambda: len(labels) > 3 or process.poll() is not None, what=f"labels; the log: {log.read_text()}")
    assert {message.data for message in labels}, log.read_text()
    interrupted(process, log)


@pytest.mark.parametrize("form", FORMS)
def test_a_recognizer_that_is_killed_is_started_again(client, launched, form):
    _, log = launched("recognizer", form)

    def pids():
        return re.findall(r"process started with pid \[(\d+)\]", log.read_text())

    client.until(lambda: client.node.count_publishers("/recognizer/label"), what="a recognizer")
    os.kill(int(pids()[0]), signal.SIGKILL)
    client.until(lambda: len(pids()) == 2, what="another one")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("one_node", ["true", "false"])
def test_several_cameras_are_labelled(client, launched, film, form, one_node):
    topics = {"true": "/recognizer/{}/label", "false": "/{}/recognizer/label"}[one_node]
    labels = {camera: client.collect(String, topics.format(camera)) for camera in ("front", "rear")}
    recognizers, log = launched(
        "multi_camera", form, "cameras:=front,rear", f"one_node:={one_node}", "image:=cams/{camera}/image_raw"
    )
    films = [
        launched("video_publisher", form, f"video:={film}", "loop:=0", f"image:=cams/{camera}/image_raw")
        for camera in ("front", "rear")
    ]
    client.until(lambda: all(map(len, labels.values())) or recognizers.poll() is not None, what="labels of both")
    assert all(map(len, labels.values())), log.read_text()
    for process, its_log in [(recognizers, log), *films]:
        interrupted(process, its_log)


@pytest.mark.parametrize("form", FORMS)
def test_arguments_win_over_the_parameter_file_and_the_file_over_the_defaults(client, launched, tmp_path, form):
    from rcl_interfaces.srv import GetParameters

    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    autostart: true\n    top_k: 3\n    max_gap_sec: 7.5\n")
    process, log = launched("recognizer", form, f"params_file:={file}", "autostart:=false", "namespace:=robot")
    request = GetParameters.Request(names=["autostart", "top_k", "max_gap_sec", "model"])
    answer = client.call(GetParameters, "/robot/recognizer/get_parameters", request, attempts=3)
    autostart, top_k, max_gap_sec, model = answer.values
    assert autostart.bool_value is False
    assert (top_k.integer_value, max_gap_sec.double_value, model.string_value) == (3, 7.5, "default")
    interrupted(process, log)


@pytest.mark.parametrize("form", FORMS)
def test_the_trainer_starts(client, launched, form):
    from std_srvs.srv import Trigger

    process, log = launched("trainer", form)
    start = client.node.create_client(Trigger, "/trainer/start")
    client.until(lambda: start.service_is_ready() or process.poll() is not None, what="the trainer's service")
    interrupted(process, log)
