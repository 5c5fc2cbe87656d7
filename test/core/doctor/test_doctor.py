"""`opendr-har doctor`: its report on this machine without ROS, and what it finds when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opendr_har_core import Recognizer, __version__
from opendr_har_core.cli.main import main
from opendr_har_core.doctor import checks
from opendr_har_core.doctor.checks import Section

ROOT = Path(__file__).resolve().parents[3]
# Importing a package named in the first argument fails, as on a machine without it.
COMMAND = """
import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
from opendr_har_core.cli.main import main; code = main(sys.argv[1:])
sys.exit("torch was imported" if sys.modules.get("torch") else code)
"""


def run(blocked, *arguments, ros_distro=None):
    env = {name: value for name, value in os.environ.items() if name != "ROS_DISTRO"}
    env.update({"PYTHONPATH": str(ROOT), **({"ROS_DISTRO": ros_distro} if ros_distro else {})})
    command = [sys.executable, "-c", COMMAND, blocked, "doctor", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env)


def sections(report):
    return {section["title"]: section["facts"] for section in report["sections"]}


def test_a_healthy_machine_without_ros_has_no_findings():
    done = run("rclpy", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["ok"], report["findings"]) == (True, [])
    facts = sections(report)
    assert list(facts) == ["Software", "Machine", "Model", "ROS 2"]
    assert facts["Software"]["opendr_har_ros"] == __version__
    assert all(facts["Software"][name] != "missing" for name in ("numpy", "onnxruntime", "av", "opencv"))
    assert "CPUExecutionProvider" in facts["Software"]["providers found"]
    assert "rclpy" in facts["ROS 2"]["rclpy"]
    recognizer = Recognizer.open("default")
    assert facts["Model"]["needs"] == f"a camera of {1e9 / recognizer.spec.period_ns:.2f} Hz or more"
    assert f"after {recognizer.stream().silent_sec:.1f} s" in facts["Model"]["labels"]
    assert facts["Model"]["label delay"] == f"{recognizer.spec.delay_sec:.1f} s"
    assert float(facts["Model"]["step here"].split(" ms")[0]) > 0


@pytest.mark.parametrize(
    ("blocked", "distro", "section", "text"),
    [
        ("rclpy", "jazzy", "ROS 2", "ROS 2 jazzy is sourced"),
        ("rclpy,onnxruntime", None, "Software", "can't import onnxruntime"),
    ],
)
def test_a_package_that_can_not_be_imported_is_a_finding(blocked, distro, section, text):
    done = run(blocked, "--json", ros_distro=distro)
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["section"] == section
    assert text in finding["what"]
    assert f"problems found: {text}" in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--model", "nowhere.onnx"], "there is no model 'nowhere.onnx'"), (["--providers", "warp"], "provider 'warp'")],
)
def test_a_model_that_does_not_open_is_a_finding(flags, message, monkeypatch, capsys):
    monkeypatch.setattr(checks, "check_ros", lambda *_: Section("ROS 2", ()))
    assert main(["doctor", *flags]) == 1
    written = capsys.readouterr()
    assert message in written.out
    assert message in written.err
    assert "No problems found" not in written.out
