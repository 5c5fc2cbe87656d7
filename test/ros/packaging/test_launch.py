"""The launch files: which nodes they start, with which parameters, topics and environment.

No package index has `launch`: here its classes only keep what they are given. test_launch_real.py runs the real one.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("rclpy")

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE, PROFILE_VARIABLE

ROOT = Path(__file__).resolve().parents[3]
NODES = {
    "recognizer": ["LifecycleNode recognizer"],
    "people": ["LifecycleNode people"],
    "trainer": ["Node trainer"],
    "web": ["Node web"],
    "video_publisher": ["Node video_publisher"],
    "demo": ["Node video_publisher", "LifecycleNode recognizer"],
}
MODULES = ("launch", "launch.actions", "launch.events", "launch.events.process", "launch.logging", "launch_ros")
MODULES += ("launch_ros.actions", "launch_ros.parameter_descriptions")
OURS = "opendr_har_ros.common.launching"


class Recorded:
    """An instance of any class of `launch`."""

    def __init__(self, *values, **given):
        self.values, self.given = values, given


class Launched:
    """What a launch file would do with `arguments`: its nodes, environment variables and warnings."""

    def __init__(self, name, arguments, warnings):
        self.warnings = warnings
        self.launch_configurations, self.locals = dict(arguments), SimpleNamespace()
        self.nodes, self.environment = [], {}
        self.include(ROOT / "launch" / f"{name}.launch.py")

    def include(self, path):
        for action in runpy.run_path(str(path))["generate_launch_description"]().values[0]:
            self.visit(action)

    def visit(self, action):
        kind = type(action).__name__
        if kind == "DeclareLaunchArgument":
            (name,) = action.values
            value = self.launch_configurations.setdefault(name, action.given["default_value"])
            assert len(action.given["description"]) > 9
            assert value in (action.given["choices"] or [value]), f"{name} is {value}"
        elif kind == "SetEnvironmentVariable":
            self.environment.update([action.values])
        elif kind == "OpaqueFunction":
            for started in action.given["function"](self):
                self.visit(started)
        elif kind == "GroupAction":
            outside = dict(self.launch_configurations)
            for member in action.values[0]:
                self.visit(member)
            self.launch_configurations = outside
        elif kind == "IncludeLaunchDescription":
            self.include(*action.values)
        elif kind in ("Node", "LifecycleNode"):
            self.nodes.append(StartedNode(kind, action.given))
        else:
            assert kind == "SetParameter"


class StartedNode:
    def __init__(self, kind, given):
        self.name = f"{kind} {given['executable']}"
        self.given = given
        self.remappings = dict(given.get("remappings", ()))
        parameters = given.get("parameters", [])
        self.files = [item for item in parameters if isinstance(item, str)]
        values = [item for item in parameters if isinstance(item, dict)]
        self.parameters = {name: value.values[0] for item in values for name, value in item.items()}


@pytest.fixture
def launched(monkeypatch):
    """launched("recognizer", argument="...") -> Launched."""
    for name in MODULES:
        module = ModuleType(name)
        module.__getattr__ = lambda kind: type(kind, (Recorded,), {})
        monkeypatch.setitem(sys.modules, name, module)
    warnings = []
    sys.modules["launch.logging"].get_logger = lambda _: SimpleNamespace(warning=warnings.append)
    monkeypatch.delitem(sys.modules, OURS, raising=False)
    for name in (PROFILE_VARIABLE, OLD_PROFILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    yield lambda name, **arguments: Launched(name, arguments, warnings)
    sys.modules.pop(OURS, None)


def test_each_launch_file_is_tested():
    assert {path.name.split(".")[0] for path in (ROOT / "launch").iterdir() if path.is_file()} == set(NODES)


@pytest.mark.parametrize("name", NODES)
def test_without_arguments_nodes_have_their_own_defaults_and_topics(name, launched):
    context = launched(name)
    assert [node.name for node in context.nodes] == NODES[name]
    assert context.environment == {PROFILE_VARIABLE: str(PROFILE)}
    for node in context.nodes:
        assert (ROOT / "scripts" / node.given["executable"]).is_file()
        assert (node.files, node.parameters, node.remappings) == ([], {}, {})


def test_the_profile_of_the_user_and_the_variable_of_older_distributions_are_respected(launched, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "humble")
    assert launched("recognizer").environment == {OLD_PROFILE_VARIABLE: str(PROFILE)}
    monkeypatch.setenv(OLD_PROFILE_VARIABLE, "/etc/mine.xml")
    assert launched("recognizer").environment == {}


@pytest.mark.parametrize(
    ("name", "arguments", "parameters"),
    [
        ("recognizer", {"autostart": "False", "use_sim_time": "true"}, {"autostart": False, "use_sim_time": True}),
        ("recognizer", {"threshold": "1", "top_k": "3"}, {"threshold": 1.0, "top_k": 3}),
        ("recognizer", {"providers": "[cuda, 'cpu']"}, {"providers": ["cuda", "cpu"]}),
        ("recognizer", {"providers": "cpu"}, {"providers": ["cpu"]}),
        ("video_publisher", {"video": "0", "loop": "3", "rate": "2.0"}, {"video": "0", "loop": 3, "rate": 2.0}),
        ("trainer", {"defaults": "lr=0.1,seed=4", "nice": "3"}, {"defaults": ["lr=0.1", "seed=4"], "nice": 3}),
        ("web", {"camera": "front", "port": "9000"}, {"camera": "front", "port": 9000}),
    ],
)
def test_arguments_are_parameters_of_their_type_after_those_of_the_file(name, arguments, parameters, launched):
    (node,) = launched(name, **arguments, params_file="mine.yaml", namespace="robot", log_level="debug").nodes
    assert (node.files, node.parameters, node.given["namespace"]) == (["mine.yaml"], parameters, "robot")
    assert node.given["arguments"][-1] == "debug"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"threshold": "2"}, "threshold is 2.0, expected a number, 0 to 1"),
        ({"top_k": "many"}, "top_k is 'many', expected a whole number"),
        ({"cameras": "front,rear", "image": "/cam/image_raw"}, "topics that contain {camera}"),
    ],
)
def test_invalid_arguments_are_rejected(launched, arguments, reason):
    with pytest.raises(ConfigError, match=re.escape(reason)):
        launched("recognizer", **arguments)


@pytest.mark.parametrize("argument", ["transport", "log_level", "viewer", "spin"])
def test_arguments_with_choices_declare_them(launched, argument):
    with pytest.raises(AssertionError, match=f"{argument} is perhaps"):
        launched("recognizer", **{argument: "perhaps"})


def test_a_misspelt_argument_is_a_warning(launched):
    # `video` and `ros_namespace` are set by a file that includes ours.
    assert launched("recognizer", thresold="0.5", video="clip.mp4", ros_namespace="/robot").warnings == [
        "launch argument 'thresold' is unknown and ignored; did you mean 'threshold'?"
    ]


def test_topics_can_have_the_names_of_opendr(launched):
    topics = {
        "hypothesis": "/opendr/human_activity_recognition",
        "label": "/opendr/human_activity_recognition_description",
    }
    (node,) = launched("recognizer", image="/usb_cam/image_raw", **topics).nodes
    assert node.remappings == {
        "image_raw": "/usb_cam/image_raw",
        "~/hypothesis": topics["hypothesis"],
        "~/label": topics["label"],
    }


def test_topics_of_several_cameras_contain_their_names(launched):
    (node,) = launched("recognizer", cameras="front, rear", image="/{camera}/color", label="/label/{camera}").nodes
    assert node.parameters == {"cameras": ["front", "rear"]}
    assert node.remappings == {
        "front/image_raw": "/front/color",
        "~/front/label": "/label/front",
        "rear/image_raw": "/rear/color",
        "~/rear/label": "/label/rear",
    }


def test_the_demo_shares_its_arguments(launched):
    nodes = launched("demo", image="cam", namespace="robot", params_file="mine.yaml", use_sim_time="true").nodes
    for node in nodes:
        assert (node.remappings["image_raw"], node.given["namespace"], node.files) == ("cam", "robot", ["mine.yaml"])
        assert node.parameters == {"use_sim_time": True}


@pytest.mark.parametrize(
    ("arguments", "image", "parameters"),
    [
        ({}, "/cam/rgb", {}),
        ({"cameras": "front,rear", "transport": "compressed"}, "/{camera}/rgb", {"transport": "compressed"}),
    ],
)
def test_a_viewer_shows_the_images_of_the_first_camera(launched, arguments, image, parameters):
    camera = {"camera": "front"} if arguments else {"camera": ""}
    web, _ = launched("recognizer", image=image, viewer="web", **arguments).nodes
    assert web.parameters == {**parameters, **camera}
    assert web.remappings["front/image_raw" if arguments else "image_raw"] == image.format(camera="front")
    rqt, _ = launched("recognizer", viewer="rqt", **arguments).nodes
    assert rqt.given["arguments"] == ["recognizer/front/image_annotated" if arguments else "recognizer/image_annotated"]
