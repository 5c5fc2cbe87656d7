"""The launch files: which nodes they start, with which parameters, names and environment."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
yaml = pytest.importorskip("yaml")

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE, PROFILE_VARIABLE
from opendr_har_ros.recognizer.parameters import RECOGNIZER
from opendr_har_ros.trainer.parameters import TRAINER
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER
from opendr_har_ros.web.parameters import WEB

ROOT = Path(__file__).resolve().parents[3]
PARAMETERS = {"recognizer": RECOGNIZER, "video_publisher": VIDEO_PUBLISHER, "web": WEB, "trainer": TRAINER}
REQUIRED = {
    "recognizer": {},
    "trainer": {},
    "web": {},
    "video_publisher": {"video": "a.mp4"},
    "demo": {"video": "a.mp4"},
    "multi_camera": {"cameras": "front,rear"},
}
NODES = {"demo": ["video_publisher", "recognizer"], "multi_camera": ["recognizer"]}
OTHER_FILE = ROOT / "config" / "trainer.yaml"


@pytest.fixture
def launched(monkeypatch):
    """launched("recognizer", argument="...") -> the context afterwards; its `nodes` are those that would start."""
    spec = importlib.util.spec_from_file_location("launch_stub", Path(__file__).with_name("launch_stub.py"))
    stub = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stub)
    for name in ("ROS_DISTRO", PROFILE_VARIABLE, OLD_PROFILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)

    def launch(name, **arguments):
        context = stub.Context(ROOT, {**REQUIRED[name], **arguments})
        context.include(str(ROOT / "launch" / f"{name}.launch.py"))
        return context

    return launch


def test_each_launch_file_is_tested():
    assert {path.name.split(".")[0] for path in (ROOT / "launch").iterdir() if path.is_file()} == set(REQUIRED)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_launch_file_starts_its_nodes_with_their_files_and_declared_parameters(name, launched):
    context = launched(name)
    assert [node.executable for node in context.nodes] == NODES.get(name, [name])
    assert all(len(description) > 10 for description in context.declared.values())
    for node in context.nodes:
        assert (ROOT / "scripts" / node.executable).is_file()
        assert node.arguments == ["--ros-args", "--log-level", "info"]
        assert node.respawn_after_sec == (None if node.executable == "video_publisher" else 2.0)
        assert node.file == ROOT / "config" / f"{node.executable}.yaml"
        kinds = {item.name: list if item.many else item.kind for item in PARAMETERS[node.executable].settings}
        assert {parameter: type(value) for parameter, value in node.given.items()}.items() <= kinds.items()
        assert Path(node.environment[PROFILE_VARIABLE]) == PROFILE


def test_the_profile_of_the_user_and_the_variable_of_older_distributions_are_respected(launched, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "humble")
    (node,) = launched("recognizer").nodes
    assert Path(node.environment[OLD_PROFILE_VARIABLE]) == PROFILE
    assert PROFILE_VARIABLE not in node.environment
    monkeypatch.setenv(OLD_PROFILE_VARIABLE, "/etc/mine.xml")
    (node,) = launched("recognizer").nodes
    assert node.environment[OLD_PROFILE_VARIABLE] == "/etc/mine.xml"


@pytest.mark.parametrize(
    ("name", "arguments", "given"),
    [
        (
            "recognizer",
            {"model": "/m/x.onnx", "autostart": "false", "use_sim_time": "True", "transport": "compressed"},
            {"model": "/m/x.onnx", "autostart": False, "use_sim_time": True, "transport": "compressed"},
        ),
        (
            "video_publisher",
            {"video": "0", "loop": "3", "rate": "2.0"},
            {"video": "0", "loop": 3, "rate": 2.0},
        ),
        ("trainer", {"data": "/d", "epochs": "3", "resume": "true"}, {"data": "/d", "epochs": 3, "resume": True}),
        ("web", {"camera": "front", "port": "9000"}, {"camera": "front", "port": 9000}),
    ],
)
def test_given_arguments_override_the_parameter_file(name, arguments, given, launched):
    (node,) = launched(name, **arguments, params_file=str(OTHER_FILE), namespace="robot", log_level="debug").nodes
    assert (node.given, node.file, node.namespace) == (given, OTHER_FILE, "/robot")
    assert node.arguments[-1] == "debug"


def test_topics_can_have_the_names_of_opendr(launched):
    topics = {
        "hypothesis": "/opendr/human_activity_recognition",
        "label": "/opendr/human_activity_recognition_description",
    }
    (node,) = launched("recognizer", image="/usb_cam/image_raw", **topics).nodes
    assert node.remappings == {
        "image_raw": "/usb_cam/image_raw",
        "image_raw/compressed": "/usb_cam/image_raw/compressed",
        "~/hypothesis": topics["hypothesis"],
        "~/label": topics["label"],
    }


def test_the_demo_passes_its_arguments_on(launched):
    video, recognizer = launched("demo", loop="3", model="/m/x.onnx", image="cam", autostart="false", label="/l").nodes
    assert video.given == {"video": "a.mp4", "loop": 3, "transport": "raw"}
    assert recognizer.given == {"model": "/m/x.onnx", "transport": "raw", "autostart": False}
    assert recognizer.remappings["image_raw"] == video.remappings["image_raw"] == "cam"
    assert recognizer.remappings["~/label"] == "/l"
    shared = {"namespace": "robot", "params_file": str(OTHER_FILE), "use_sim_time": "true", "log_level": "warn"}
    for node in launched("demo", **shared).nodes:
        assert (node.namespace, node.file, node.given["use_sim_time"]) == ("/robot", OTHER_FILE, True)
        assert node.arguments[-1] == "warn"
    assert set(launched("recognizer").declared) <= set(launched("demo").declared)


def test_one_node_takes_all_cameras(launched):
    (node,) = launched("multi_camera", image="/{camera}/color", label="/label/{camera}").nodes
    assert node.given == {"cameras": ["front", "rear"]}
    assert node.remappings == {
        "front/image_raw": "/front/color",
        "front/image_raw/compressed": "/front/color/compressed",
        "~/front/label": "/label/front",
        "rear/image_raw": "/rear/color",
        "rear/image_raw/compressed": "/rear/color/compressed",
        "~/rear/label": "/label/rear",
    }


def test_or_each_camera_has_a_node_with_the_same_image_topics(launched):
    front, rear = launched("multi_camera", one_node="false", namespace="robot", model="/m/x.onnx").nodes
    assert (front.namespace, rear.namespace) == ("/robot/front", "/robot/rear")
    assert front.remappings["image_raw"] == "/robot/front/image_raw"
    assert rear.remappings["image_raw/compressed"] == "/robot/rear/image_raw/compressed"
    assert front.given == rear.given == {"model": "/m/x.onnx"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"cameras": "front,front"}, "each name once"),
        ({"cameras": "1st"}, "begin with a letter"),
        ({"image": "/cam/image_raw"}, "a pattern with {camera}"),
        ({"one_node": "perhaps"}, "expected true or false"),
    ],
)
def test_invalid_cameras_are_rejected(launched, arguments, reason):
    with pytest.raises(ConfigError, match=re.escape(reason)):
        launched("multi_camera", **arguments)


def test_the_page_shows_the_images_of_its_camera(launched):
    (node,) = launched("web", image="/cam/rgb", camera="front").nodes
    assert node.remappings == {"front/image_raw": "/cam/rgb", "front/image_raw/compressed": "/cam/rgb/compressed"}


def test_the_guide_has_every_launch_argument(launched):
    rows = [row for row in (ROOT / "docs" / "launch.md").read_text().splitlines() if row.startswith("| ")]
    documented, name = {}, ""
    for row in rows:
        file, arguments, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        name = file.strip("`") or name
        documented.setdefault(name, set()).update(re.findall(r"`(\w+)`", arguments))
    documented["demo"] |= documented["recognizer"] | documented["video_publisher"]  # which it includes
    assert [name for name in REQUIRED if set(launched(name).declared) - documented[name]] == []
