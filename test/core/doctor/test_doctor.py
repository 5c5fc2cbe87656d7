"""`opendr-har doctor`: what it finds on this machine, without ROS, and where something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opendr_har_core import Recognizer, __version__
from opendr_har_core.cli import doctor as job
from opendr_har_core.cli.main import main
from opendr_har_core.doctor import model as of_model
from opendr_har_core.doctor.hardware import machine
from opendr_har_core.doctor.model import measured_step, model
from opendr_har_core.doctor.report import Finding, Section, to_dict, to_text
from opendr_har_core.doctor.software import software

ROOT = Path(__file__).resolve().parents[3]
# As on a machine without a package: importing it fails.
BLOCKED = "import sys; blocked = sys.argv.pop(1).split(','); sys.modules.update(dict.fromkeys(blocked)); "
COMMAND = BLOCKED + "from opendr_har_core.cli.main import main; sys.exit(main(sys.argv[1:]))"


def run(blocked, *arguments, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    for name in [name for name, value in env.items() if value is None]:
        del env[name]
    command = [sys.executable, "-c", COMMAND, blocked, "doctor", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env)


def sections(report):
    return {section["title"]: section["facts"] for section in report["sections"]}


def test_without_ros_it_tells_all_the_rest_and_all_is_well():
    done = run("rclpy", "--json", ROS_DISTRO=None)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert report["findings"] == []
    facts = sections(report)
    assert list(facts) == ["Software", "Machine", "Model", "ROS 2"]
    assert facts["Software"]["opendr_har_ros"] == __version__
    assert all(facts["Software"][name] != "missing" for name in ("numpy", "onnxruntime", "av", "opencv"))
    assert "CPUExecutionProvider" in facts["Software"]["providers found"]
    assert "rclpy" in facts["ROS 2"]["rclpy"]
    recognizer = Recognizer.open("default")
    spec = recognizer.spec
    assert facts["Model"]["needs"] == f"a camera of {1e9 / spec.period_ns:.2f} Hz or more"
    assert f"after {recognizer.stream().silent_sec:.1f} s" in facts["Model"]["labels"]
    assert facts["Model"]["label delay"] == f"{spec.delay_sec:.1f} s"
    assert float(facts["Model"]["step here"].split(" ms")[0]) > 0


@pytest.mark.parametrize(
    ("kind", "first", "delay"),
    [
        (("x3d",), "sampled frame 4, after 1.2 s", "0.0 s"),
        (("cox3d", "full"), "sampled frame 32, after 12.4 s", "11.2 s"),
        (
            ("cox3d", "none"),
            "sampled frame 3, after 0.8 s",
            "0.0 s",
        ),
    ],
)
def test_it_says_when_the_first_label_comes_and_how_old_labels_are(tiny_bundle, kind, first, delay):
    section, _ = model(str(tiny_bundle(*kind)))
    facts = dict(section.facts)
    assert facts["labels"] == f"2.50 a second, the first with {first}"
    assert facts["label delay"] == delay


def test_the_text_form_says_the_same_for_people():
    done = run("rclpy", ROS_DISTRO=None)
    assert done.returncode == 0
    assert done.stdout.endswith("All is well.\n")
    assert "\n  numpy " in done.stdout
    assert "Traceback" not in done.stderr


def test_a_sourced_ros_whose_rclpy_is_not_importable_needs_attention():
    done = run("rclpy", "--json", ROS_DISTRO="jazzy")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["section"] == "ROS 2"
    assert "ROS 2 jazzy is sourced" in finding["what"]
    assert "needs attention: ROS 2 jazzy is sourced" in done.stderr


def test_a_broken_runtime_is_a_finding_and_no_crash():
    done = run("rclpy,onnxruntime", "--json", ROS_DISTRO=None)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert [finding["do"] for finding in report["findings"]] == ["pip install onnxruntime"]
    assert list(sections(report)) == ["Software", "ROS 2"]


def test_it_imports_no_torch():
    code = BLOCKED + "from opendr_har_core.cli.main import main; main(sys.argv[1:]); "
    code += "sys.exit(sorted({'torch', 'onnx'} & {n for n, m in sys.modules.items() if m}))"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, "rclpy", "doctor"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert done.stderr.strip() == "[]"  # what sys.exit says of an empty list


def test_a_model_that_is_not_there_is_a_finding(monkeypatch, capsys):
    monkeypatch.setattr(job, "ros", lambda *_: Section("ROS 2", ()))
    assert main(["doctor", "--model", "nowhere.onnx"]) == 1
    said = capsys.readouterr()
    assert "! there is no model 'nowhere.onnx'" in said.out
    assert "needs attention: there is no model" in said.err
    assert "All is well" not in said.out


def test_a_provider_that_is_not_there_is_a_finding():
    section, needed_hz = model("default", ["warp_drive"])
    assert needed_hz is None
    assert "'warp_drive'" in section.findings[0].what


@pytest.mark.parametrize(("step_sec", "is_slow"), [(0.3, False), (0.35, True)])
def test_a_machine_too_slow_for_the_model_is_a_finding(monkeypatch, step_sec, is_slow):
    monkeypatch.setattr(of_model, "measured_step", lambda _: step_sec)
    section, needed_hz = model()
    assert needed_hz == pytest.approx(2.5)
    assert bool(section.findings) == is_slow


def test_the_step_of_a_clip_model_is_that_of_whole_clips():
    """Frames before the first clip cost nothing and must not be counted."""
    recognizer = Recognizer.open("default")
    assert not recognizer.spec.is_continual
    calls = []
    classify = recognizer._backend.classify
    recognizer._backend.classify = lambda clips: calls.append(1) or classify(clips)
    assert measured_step(recognizer) > 0
    assert of_model.FEWEST_STEPS + of_model.UNCOUNTED_STEPS <= len(calls) <= of_model.MOST_STEPS + 3


def test_little_memory_is_a_finding(tmp_path):
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "cpuinfo").write_text("model name\t: A small one\n")
    (proc / "meminfo").write_text("MemTotal:        1000000 kB\nMemAvailable:     200000 kB\n")
    section = machine(tmp_path)
    assert dict(section.facts)["processor"] == "A small one"
    assert "195 MiB" in section.findings[0].what
    (proc / "meminfo").write_text("MemTotal:        8000000 kB\nMemAvailable:     4000000 kB\n")
    assert machine(tmp_path).findings == ()


def test_versions_are_those_that_are_imported():
    import numpy

    assert dict(software().facts)["numpy"] == numpy.__version__


def test_both_forms_have_every_finding():
    found = (Section("One", (("a", "1"),)), Section("Two", (), (Finding("it is broken", "mend it"),)))
    assert to_dict(found)["findings"] == [{"section": "Two", "what": "it is broken", "do": "mend it"}]
    assert to_dict(found)["ok"] is False
    assert to_text(found) == "One\n  a  1\n\nTwo\n  ! it is broken\n    -> mend it\n"
