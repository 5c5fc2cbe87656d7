"""The launch files: what they start, with what, and under which names; the Python and the YAML forms.

Each test runs them on the real `launch` where it is installed, and on a stand-in that records: no package index has
`launch` and `launch_ros`.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
yaml = pytest.importorskip("yaml")

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE, PROFILE_VARIABLE
from opendr_har_ros.recognizer.parameters import RECOGNIZER
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER
from opendr_har_ros.web.parameters import WEB

ROOT = Path(__file__).resolve().parents[3]
TABLES = {"recognizer": RECOGNIZER, "video_publisher": VIDEO_PUBLISHER, "web": WEB}
VIDEO, CAMERAS = {"video": "a.mp4"}, {"cameras": "front,rear"}
NEEDED = {"recognizer": {}, "video_publisher": VIDEO, "demo": VIDEO, "multi_camera": CAMERAS, "web": {}}
NODES = {"demo": ["video_publisher", "recognizer"], "multi_camera": ["recognizer"]}
if (ROOT / "launch" / "trainer.launch.py").exists():
    from opendr_har_ros.trainer.parameters import TRAINER

    TABLES["trainer"], NEEDED["trainer"] = TRAINER, {}
FORMS = ("py", "yaml")
NOT_GIVEN = "not_given."  # how the YAML forms leave a parameter to the file
OTHER_FILE = str(ROOT / "config" / "recognizer.yaml")
REAL, STAND_IN = "real", "stand_in"


def module(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def backend_of(kind):
    """The module that visits launch files."""
    if kind == REAL:
        reason = "launch and launch_ros are not installed; the stand-in is used"
        for needed in ("launch.actions", "launch_ros.actions", "launch_yaml"):
            pytest.importorskip(needed, reason=reason)
    return module(f"launch_{kind}")


@pytest.fixture(params=[REAL, STAND_IN])
def backend(request):
    return backend_of(request.param)


@pytest.fixture
def share(tmp_path, monkeypatch):
    """The package's share folder as it is installed, found by ament's index; the environment is restored."""
    prefix = tmp_path / "prefix"
    folder = prefix / "share" / "opendr_har_ros"
    (folder / "config").mkdir(parents=True)
    for path in [*(ROOT / "config").iterdir(), PROFILE]:
        (folder / "config" / path.name).symlink_to(path)
    (folder / "launch").symlink_to(ROOT / "launch")
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "opendr_har_ros").touch()
    paths = [str(prefix), *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])]
    environment = {name: value for name, value in os.environ.items() if name != "ROS_DISTRO"}
    for name in (PROFILE_VARIABLE, OLD_PROFILE_VARIABLE):
        environment.pop(name, None)
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({**environment, "AMENT_PREFIX_PATH": os.pathsep.join(paths)})
    yield folder
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def launched(share, backend):
    """launched("recognizer", "py", argument="...") -> the context after that; its `nodes` are what was started."""

    def launch(name, form="py", **arguments):
        context = backend.Context(share, {**NEEDED[name], **arguments})
        context.include(str(share / "launch" / f"{name}.launch.{form}"))
        for node in context.nodes:
            node["given"] = {key: value for key, value in node["given"].items() if not key.startswith(NOT_GIVEN)}
        return context

    return launch


def executables():
    (scripts,) = re.findall(r'"console_scripts": \[(.*?)\]', (ROOT / "setup.py").read_text(), re.DOTALL)
    return re.findall(r'"([\w-]+) = ', scripts)


def without_environment(node):
    return {key: value for key, value in node.items() if key != "environment"}


def test_there_is_a_launch_file_for_each_node_in_both_forms():
    for form in FORMS:
        files = (ROOT / "launch").glob(f"*.launch.{form}")
        assert {path.name.split(".")[0] for path in files} == set(NEEDED)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NEEDED)
def test_a_launch_file_starts_our_executables_with_files_that_exist_and_declared_parameters(name, form, launched):
    context = launched(name, form)
    nodes = context.nodes
    log_level = ["--ros-args", "--log-level", "info"] if "log_level" in context.declared else []
    assert [node["executable"] for node in nodes] == NODES.get(name, [name])
    for node in nodes:
        assert node["package"] == "opendr_har_ros"
        assert node["executable"] == node["name"]  # the parameter files are for these names
        assert node["executable"] in executables()
        assert node["arguments"] == log_level
        assert node["respawn_after_sec"] == (None if node["executable"] == "video_publisher" else 2.0)
        declared = {parameter.name: parameter.default for parameter in TABLES[node["executable"]]}
        (file,) = node["files"]
        assert Path(file).name == f"{node['executable']}.yaml"
        (section,) = yaml.safe_load(Path(file).read_text()).values()
        assert set(section["ros__parameters"]) <= {*declared, "use_sim_time"}
        for parameter, value in node["given"].items():
            assert isinstance(value, type({**declared, "use_sim_time": False}[parameter]))


EXAMPLES = [
    ("recognizer", {}),
    (
        "recognizer",
        {"model": "/m/cox3d_s.onnx", "autostart": "false", "use_sim_time": "true", "transport": "compressed"},
    ),
    ("recognizer", {"namespace": "robot", "image": "/usb_cam/image_raw", "params_file": OTHER_FILE}),
    ("recognizer", {"hypothesis": "/h", "label": "/l", "log_level": "debug", "namespace": "/a/b", "autostart": "True"}),
    ("video_publisher", {}),
    ("video_publisher", {"video": "0", "loop": "3", "rate": "2.0", "transport": "both", "use_sim_time": "false"}),
    ("video_publisher", {"namespace": "robot", "image": "cam", "params_file": OTHER_FILE, "log_level": "warn"}),
    ("demo", {}),
    ("demo", {"video": "0", "loop": "3", "model": "/m/x.onnx", "namespace": "robot", "transport": "compressed"}),
    ("demo", {"params_file": OTHER_FILE, "autostart": "false", "use_sim_time": "true", "log_level": "warn"}),
    ("demo", {"hypothesis": "/h", "label": "l", "use_sim_time": "false"}),
    ("multi_camera", {}),
    ("multi_camera", {"one_node": "false", "namespace": "robot", "image": "cams/{camera}/rgb", "label": "/l/{camera}"}),
    ("multi_camera", {"cameras": "[left, right, 'up']", "model": "/m/x.onnx", "hypothesis": "/h/{camera}"}),
    ("web", {}),
    ("web", {"recognizer": "/robot/recognizer", "camera": "front", "image": "/front/color", "transport": "compressed"}),
    ("web", {"host": "0.0.0.0", "port": "0", "namespace": "robot", "params_file": OTHER_FILE, "use_sim_time": "true"}),
]
if "trainer" in NEEDED:
    EXAMPLES += [
        ("trainer", {}),
        (
            "trainer",
            {"data": "/d", "epochs": "3", "resume": "true", "namespace": "robot", "params_file": OTHER_FILE},
        ),
        ("trainer", {"use_sim_time": "true", "log_level": "debug"}),
    ]


@pytest.mark.parametrize(("name", "arguments"), EXAMPLES)
def test_both_forms_start_the_same(name, arguments, launched):
    python, yaml_form = launched(name, "py", **arguments), launched(name, "yaml", **arguments)
    assert python.nodes
    for ours, theirs in zip(python.nodes, yaml_form.nodes):
        assert without_environment(ours) == without_environment(theirs)
    assert len(python.nodes) == len(yaml_form.nodes)


@pytest.mark.parametrize(("name", "arguments"), EXAMPLES)
@pytest.mark.parametrize("form", FORMS)
def test_the_stand_in_gives_what_launch_gives(name, arguments, form, share):
    nodes = []
    for kind in (REAL, STAND_IN):
        context = backend_of(kind).Context(share, {**NEEDED[name], **arguments})
        context.include(str(share / "launch" / f"{name}.launch.{form}"))
        nodes.append([without_environment(node) for node in context.nodes])
    assert nodes[0] == nodes[1]


@pytest.mark.parametrize("name", NEEDED)
def test_every_argument_is_described_and_alike_in_both_forms(name, launched):
    python, yaml_form = launched(name, "py").declared, launched(name, "yaml").declared
    assert all(len(description) > 10 for description in python.values())
    assert python == yaml_form


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_given_stays_as_the_parameter_file_has_it(tmp_path, launched, form):
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters: {}\n")
    (node,) = launched("recognizer", form, params_file=str(file)).nodes
    assert node["files"] == [str(file)]
    assert node["given"] == {}
    given = {"model": "/m/cox3d_s.onnx", "autostart": "false", "use_sim_time": "true", "transport": "compressed"}
    (node,) = launched("recognizer", form, **given).nodes
    assert node["given"] == {**given, "autostart": False, "use_sim_time": True}


@pytest.mark.parametrize("form", FORMS)
def test_topics_can_have_the_names_of_opendr(launched, form):
    topics = {
        "hypothesis": "/opendr/human_activity_recognition",
        "label": "/opendr/human_activity_recognition_description",
    }
    (node,) = launched("recognizer", form, image="/usb_cam/image_raw", namespace="robot", **topics).nodes
    assert node["namespace"] == "/robot"
    assert node["remaps"] == {
        "image_raw": "/usb_cam/image_raw",
        "image_raw/compressed": "/usb_cam/image_raw/compressed",
        "~/hypothesis": topics["hypothesis"],
        "~/label": topics["label"],
    }


@pytest.mark.parametrize("form", FORMS)
def test_the_demo_passes_its_arguments_on(launched, form):
    video, recognizer = launched("demo", form, video="0", loop="3", model="/m/x.onnx").nodes
    assert video["given"] == {"video": "0", "loop": 3, "transport": "raw"}
    assert recognizer["given"] == {"model": "/m/x.onnx", "transport": "raw"}
    assert recognizer["remaps"]["image_raw"] == video["remaps"]["image_raw"] == "image_raw"
    assert recognizer["remaps"]["~/hypothesis"] == "~/hypothesis"
    own = [Path(node["files"][0]).name for node in (video, recognizer)]
    assert own == ["video_publisher.yaml", "recognizer.yaml"]


@pytest.mark.parametrize("form", FORMS)
def test_the_demo_has_the_arguments_of_its_nodes(launched, form):
    given = {"namespace": "robot", "log_level": "debug", "params_file": OTHER_FILE, "use_sim_time": "true"}
    video, recognizer = launched("demo", form, **given, autostart="false", hypothesis="/h", label="/l").nodes
    for node in (video, recognizer):
        assert node["namespace"] == "/robot"
        assert node["arguments"] == ["--ros-args", "--log-level", "debug"]
        assert node["files"] == [OTHER_FILE]
    assert video["given"] == {"video": "a.mp4", "loop": 0, "transport": "raw", "use_sim_time": True}
    assert recognizer["given"] == {"model": "default", "transport": "raw", "autostart": False, "use_sim_time": True}
    assert (recognizer["remaps"]["~/hypothesis"], recognizer["remaps"]["~/label"]) == ("/h", "/l")
    entities = yaml.safe_load((ROOT / "launch" / "demo.launch.yaml").read_text())["launch"]
    assert set(launched("recognizer").declared) <= {entity["arg"]["name"] for entity in entities if "arg" in entity}


@pytest.mark.parametrize("form", FORMS)
def test_one_node_takes_all_cameras(launched, form):
    (node,) = launched("multi_camera", form, image="/{camera}/color/image_raw", label="/label/{camera}").nodes
    assert node["given"] == {"cameras": ["front", "rear"]}
    assert node["remaps"] == {
        "front/image_raw": "/front/color/image_raw",
        "front/image_raw/compressed": "/front/color/image_raw/compressed",
        "~/front/label": "/label/front",
        "rear/image_raw": "/rear/color/image_raw",
        "rear/image_raw/compressed": "/rear/color/image_raw/compressed",
        "~/rear/label": "/label/rear",
    }


@pytest.mark.parametrize("form", FORMS)
def test_or_each_camera_has_a_node_and_the_images_are_the_same(launched, form):
    front, rear = launched("multi_camera", form, one_node="false", namespace="robot", model="/m/x.onnx").nodes
    assert (front["namespace"], rear["namespace"]) == ("/robot/front", "/robot/rear")
    assert front["remaps"]["image_raw"] == "/robot/front/image_raw"  # as /robot/recognizer would take it
    assert rear["remaps"]["image_raw/compressed"] == "/robot/rear/image_raw/compressed"
    assert front["given"] == rear["given"] == {"model": "/m/x.onnx"}


@pytest.mark.parametrize("form", FORMS)
def test_the_page_takes_the_images_of_its_camera(launched, form):
    (node,) = launched("web", form, image="/cam/rgb", camera="front", port="9000").nodes
    assert node["remaps"] == {"front/image_raw": "/cam/rgb", "front/image_raw/compressed": "/cam/rgb/compressed"}
    assert node["given"] == {"camera": "front", "port": 9000}
    (node,) = launched("web", form, image="/cam/rgb").nodes
    assert node["remaps"] == {"image_raw": "/cam/rgb", "image_raw/compressed": "/cam/rgb/compressed"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"cameras": "front,front"}, "each name once"),
        ({"cameras": "1st"}, "begin with a letter"),
        ({"image": "/cam/image_raw"}, "a pattern with {camera}"),
        ({"one_node": "perhaps"}, "expected true or false"),
    ],
)
def test_wrong_cameras_are_refused(launched, arguments, reason):
    with pytest.raises(ConfigError, match=re.escape(reason)):
        launched("multi_camera", **arguments)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NEEDED)
def test_large_images_get_through_unless_the_user_has_a_profile(name, form, launched):
    for node in launched(name, form).nodes:
        assert Path(node["environment"][PROFILE_VARIABLE]).read_text() == PROFILE.read_text()
    os.environ["ROS_DISTRO"] = "humble"
    os.environ.pop(PROFILE_VARIABLE, None)
    for node in launched(name, form).nodes:
        assert Path(node["environment"][OLD_PROFILE_VARIABLE]).read_text() == PROFILE.read_text()
        assert PROFILE_VARIABLE not in node["environment"]
    os.environ[OLD_PROFILE_VARIABLE] = "/etc/mine.xml"
    for node in launched(name, form).nodes:
        assert node["environment"][OLD_PROFILE_VARIABLE] == "/etc/mine.xml"
        assert PROFILE_VARIABLE not in node["environment"]


def test_the_guide_has_every_launch_argument(launched):
    rows = [row for row in (ROOT / "docs" / "launch.md").read_text().splitlines() if row.startswith("| ")]
    documented, name = {}, ""
    for row in rows:
        file, arguments, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        name = file.strip("`") or name
        documented.setdefault(name, set()).update(re.findall(r"`(\w+)`", arguments))
    for launch_file in NEEDED:
        files = {"demo": ("video_publisher", "recognizer")}.get(launch_file, ())
        inner = set().union(*(launched(file).declared for file in files))
        missing = set(launched(launch_file).declared) - documented[launch_file]
        assert missing <= inner, launch_file
