"""The launch files: what they start, with what, and under which names.

No package index has `launch` and `launch_ros`, so these tests run the files on a stand-in that records.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
yaml = pytest.importorskip("yaml")

from opendr_har_ros.process import PROFILE, PROFILE_VARIABLE
from opendr_har_ros.recognizer_parameters import RECOGNIZER
from opendr_har_ros.video_publisher_parameters import VIDEO_PUBLISHER

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
TABLES = {"recognizer": RECOGNIZER, "video_publisher": VIDEO_PUBLISHER}
NEEDED = {"recognizer": {}, "video_publisher": {"video": "a.mp4"}, "demo": {"video": "a.mp4"}}


def stand_in():
    spec = importlib.util.spec_from_file_location("launch_stand_in", Path(__file__).with_name("launch_stand_in.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def launched(name, **arguments):
    """The context after running `name`.launch.py; `.nodes` is what it started."""
    context = stand_in().Context({"opendr_har_ros": ROOT}, {**NEEDED[name], **arguments})
    context.include(str(ROOT / "launch" / f"{name}.launch.py"))
    return context


def executables():
    (scripts,) = re.findall(r'"console_scripts": \[(.*?)\]', (ROOT / "setup.py").read_text(), re.DOTALL)
    return re.findall(r'"([\w-]+) = ', scripts)


def test_there_is_a_launch_file_for_each_node_and_the_demo():
    assert {path.name.split(".")[0] for path in FILES} == set(NEEDED)


@pytest.mark.parametrize("name", NEEDED)
def test_a_launch_file_starts_our_executables_with_files_that_exist_and_declared_parameters(name):
    nodes = launched(name).nodes
    assert [node["executable"] for node in nodes] == {"demo": ["video_publisher", "recognizer"]}.get(name, [name])
    for node in nodes:
        assert node["package"] == "opendr_har_ros"
        assert node["executable"] == node["name"]  # the parameter files are for these names
        assert node["executable"] in executables()
        declared = {parameter.name: parameter.default for parameter in TABLES[node["executable"]]}
        for file in node["files"]:
            (section,) = yaml.safe_load(Path(file).read_text()).values()
            assert set(section["ros__parameters"]) <= {*declared, "use_sim_time"}
        assert len(node["files"]) == 1
        for parameter, value in node["given"].items():
            assert isinstance(value, type({**declared, "use_sim_time": False}[parameter]))


@pytest.mark.parametrize("name", NEEDED)
def test_every_argument_is_described(name):
    assert all(len(description) > 10 for description in launched(name).declared.values())


def test_what_is_not_given_stays_as_the_parameter_file_has_it(tmp_path):
    file = tmp_path / "mine.yaml"
    (node,) = launched("recognizer", params_file=str(file)).nodes
    assert node["files"] == [str(file)]
    assert node["given"] == {}
    (node,) = launched("recognizer", model="/m/cox3d_s.onnx", autostart="false", use_sim_time="true").nodes
    assert node["given"] == {"model": "/m/cox3d_s.onnx", "autostart": False, "use_sim_time": True}


def test_topics_can_have_the_names_of_opendr():
    topics = {
        "hypothesis": "/opendr/human_activity_recognition",
        "label": "/opendr/human_activity_recognition_description",
    }
    (node,) = launched("recognizer", image="/usb_cam/image_raw", namespace="robot", **topics).nodes
    assert node["namespace"] == "robot"
    assert node["remaps"] == {
        "image_raw": "/usb_cam/image_raw",
        "image_raw/compressed": "/usb_cam/image_raw/compressed",
        "~/hypothesis": topics["hypothesis"],
        "~/label": topics["label"],
    }


def test_the_demo_passes_its_arguments_on():
    video, recognizer = launched("demo", video="0", loop="3", model="/m/x.onnx").nodes
    assert video["given"] == {"video": "0", "loop": 3}
    assert recognizer["given"] == {"model": "/m/x.onnx"}
    assert recognizer["remaps"]["image_raw"] == video["remaps"]["image_raw"] == "image_raw"


@pytest.mark.parametrize("name", NEEDED)
def test_large_images_get_through_unless_the_user_has_a_profile(name, monkeypatch):
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert launched(name).environment == {PROFILE_VARIABLE: str(PROFILE)}
    monkeypatch.setenv(PROFILE_VARIABLE, "/etc/mine.xml")
    assert launched(name).environment == {}


def test_the_ros_guide_has_every_launch_argument():
    rows = (ROOT / "docs" / "ros.md").read_text().split("\n## Launch files")[1].split("\n\n")[1].splitlines()[2:]
    documented, name = {}, ""
    for row in rows:
        file, arguments, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        name = file.strip("`").split(".")[0] or name
        documented.setdefault(name, set()).update(re.findall(r"`(\w+)`", arguments))
    included = {"demo": {"namespace", "image", "params_file", "autostart", "use_sim_time", "hypothesis", "label"}}
    for name in NEEDED:
        assert documented[name] == set(launched(name).declared) - included.get(name, set()), name
