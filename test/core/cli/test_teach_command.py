"""`opendr-har teach` and `calibrate`, also where nothing but a robot's packages can be imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from bag_cases import write_bag
from cli_cases import ROOT

from opendr_har_core import Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.media.video import read_video, write_video
from opendr_har_core.synthetic.scene import render_clip

ACTIONS = {"hop": "jumping", "hello": "waving one hand"}
FPS, SIZE = 10.0, (96, 128)
# What a robot installs, and what these packages bring.
ROBOT = "numpy cv2 onnxruntime av flatbuffers google packaging sympy mpmath coloredlogs humanfriendly"
ONLY_ROBOT = f"""
import importlib.machinery, sys
class OnlyRobot:
    def find_spec(name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else []
        is_package = any("site-packages" in place for place in places)
        if is_package and name.split(".")[0] not in {ROBOT.split()!r}:
            raise ModuleNotFoundError(f"no module named {{name}} on this robot", name=name)
sys.meta_path.insert(0, OnlyRobot)
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Folders `examples`, with two videos of each class, and `held`, with one; `idle.avi`, in which nobody acts."""
    folder = tmp_path_factory.mktemp("material")
    for part, seeds in (("examples", (1, 2)), ("held", (3,))):
        for label, action in ACTIONS.items():
            (folder / part / label).mkdir(parents=True)
            for seed in seeds:
                write_video(folder / part / label / f"{seed}.avi", render_clip(action, 3.0, FPS, SIZE, seed), FPS)
    write_video(folder / "idle.avi", render_clip("no activity", 6.0, FPS, SIZE, 5), FPS)
    return folder


def run(capsys, *arguments):
    """(exit code, the result's values)."""
    code = main([*map(str, arguments), "--json", "--quiet"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def labels_of(model, video):
    stream = Recognizer.open(model).stream()
    return [prediction.label for prediction in map(stream.push, read_video(video)) if prediction]


@pytest.mark.parametrize("base", ["default", "continual"])
def test_a_bundle_is_taught_the_classes_of_a_folder(base, material, tmp_path, capsys):
    files = sorted((material / "examples").rglob("*"))
    output = tmp_path / "mine.onnx"
    code, values = run(capsys, "teach", "--base", base, "--examples", material / "examples", "--output", output)
    assert (code, values["examples"]) == (0, {"hello": 2, "hop": 2})
    assert (values["left_out"], values["left_out_right"], values["confusions"]) == (4, 4, [])
    assert set(ACTIONS) <= set(values["classes"])
    for label in ACTIONS:
        assert labels_of(output, material / "held" / label / "3.avi")[-1] == label
    assert sorted((material / "examples").rglob("*")) == files


def test_a_calibrated_bundle_says_nothing_of_the_background(material, tmp_path, capsys):
    mine, quiet = tmp_path / "mine.onnx", tmp_path / "quiet.onnx"
    assert run(capsys, "teach", "--examples", material / "examples", "--output", mine)[0] == 0
    code, values = run(
        capsys,
        "calibrate",
        mine,
        "--background",
        material / "idle.avi",
        "--examples",
        material / "held",
        "--output",
        quiet,
    )
    assert (code, values["false_alarms_per_hour"]) == (0, 0)
    assert values["hours"] == pytest.approx(6 / 3600, rel=0.5)
    assert values["recall"] > 0.5
    stream = Recognizer.open(quiet).stream()
    found = [prediction for prediction in map(stream.push, render_clip("no activity", 6.0, FPS, SIZE, 5)) if prediction]
    assert all(prediction.is_unknown or prediction.label == "no activity" for prediction in found)


def test_the_background_may_be_a_folder_of_bags(tmp_path, capsys):
    frames = list(render_clip("no activity", 3.0, FPS, SIZE, 5))
    for name in ("morning", "evening"):
        write_bag(tmp_path / "bags" / name, frames=frames)
    hours = []
    for background in (tmp_path / "bags", tmp_path / "bags" / "morning"):
        new = tmp_path / "new.onnx"
        code, values = run(capsys, "calibrate", "default", "--background", background, "--output", new)
        assert code == 0
        hours.append(values["hours"])
    assert 0 < 2 * hours[1] == pytest.approx(hours[0])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["teach", "--examples", "{empty}", "--output", "{empty}/x.onnx"], "no usable video in a folder named after"),
        (["teach", "--examples", "{empty}/no", "--output", "{empty}/x.onnx"], "named after its class: it is missing"),
        (["teach", "--examples", __file__, "--output", "{empty}/x.onnx"], "can't be read: .*Not a directory"),
        (["teach", "--examples", "{empty}", "--output", "{empty}/none/x.onnx"], "can't be written"),
        (["calibrate", "default", "--background", "{empty}", "--output", "{empty}/x.onnx"], "has no videos"),
        (
            ["calibrate", "default", "--background", "{empty}/none.avi", "--output", "{empty}/x.onnx"],
            "no such file|there is no|can't be opened",
        ),
    ],
)
def test_what_cannot_be_done_is_said(arguments, reason, tmp_path, capsys):
    code, values = run(capsys, *(argument.format(empty=tmp_path) for argument in arguments))
    assert code != 0
    assert not list(tmp_path.rglob("*.onnx"))
    assert re.search(reason, values["error"])


def test_a_robots_packages_are_enough(material, tmp_path):
    code = f"""
{ONLY_ROBOT}
from opendr_har_core import Frame, Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.teaching.lessons import Lessons
from opendr_har_core.teaching.teacher import Teacher
material, folder = sys.argv[1:]
assert main(["teach", "--examples", material + "/examples", "--output", folder + "/mine.onnx"]) == 0
idle = material + "/idle.avi"
assert main(["calibrate", folder + "/mine.onnx", "--background", idle, "--output", folder + "/quiet.onnx"]) == 0
recognizer = Recognizer.open(folder + "/quiet.onnx")
teacher = Teacher(recognizer, Lessons(folder + "/lessons"))
stream = recognizer.stream()
teacher.start("stretch")
for frame in render_clip("bending", 3.0, {FPS}, {SIZE}, 1):
    teacher.push(stream.push(frame), frame)
teacher.finish()
examples = teacher.examples()
assert recognizer.with_head(teacher.head(examples)).labels.names[-1] == "stretch"
assert teacher.lessons.list()[0].clip is not None
try:
    import torch
except ModuleNotFoundError:
    print("taught")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(material), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("taught\n")
