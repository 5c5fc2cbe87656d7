"""The trainer's parameters: their file, their guide, and the command line that they become."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")
yaml = pytest.importorskip("yaml")

from opendr_har_core.cli.main import parser
from opendr_har_core.errors import ConfigError
from opendr_har_ros.trainer.parameters import TRAINER, JobSettings

ROOT = Path(__file__).resolve().parents[3]


def values(tmp_path, **changes):
    needed = {"data": str(tmp_path), "output": str(tmp_path / "mine.onnx")}
    return {**{parameter.name: parameter.default for parameter in TRAINER}, **needed, **changes}


def parsed(settings):
    return vars(parser().parse_args(["train", *settings.arguments]))


def test_the_parameter_file_lists_every_parameter_in_order_with_its_default_and_its_description():
    text = (ROOT / "config" / "trainer.yaml").read_text()
    listed = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert list(listed.items()) == [*((item.name, item.default) for item in TRAINER), ("use_sim_time", False)]
    lines = [line.strip() for line in text.splitlines()]
    for item in TRAINER:
        position = next(index for index, line in enumerate(lines) if line.startswith(f"{item.name}:"))
        assert lines[position - 1] == f"# {item.description}"


def documented(item):
    default = yaml.safe_dump(item.default, default_flow_style=True).replace("\n...", "").strip()
    allowed = ", ".join(f"`{choice}`" for choice in item.choices)
    if item.bounds:
        allowed = f"{item.bounds[0]:g} to {item.bounds[1]:.7g}"
    return f"| `{item.name}` | `{default}` | {allowed} | {item.description} |"


def test_the_guide_has_the_same_parameters_in_the_same_words():
    text = (ROOT / "docs" / "trainer.md").read_text()
    rows = text.split("| parameter | default |")[1].split("\n\n")[0].splitlines()[2:]
    assert rows == [documented(item) for item in TRAINER]


def test_every_parameter_is_described_and_its_bounds_are_declared():
    for item in TRAINER:
        descriptor = item.descriptor()
        assert len(descriptor.description) > 20, item.name
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert bool(ranges) == (item.bounds is not None)
        for allowed in ranges:
            assert allowed.from_value <= item.default <= allowed.to_value


def test_the_defaults_are_a_command_line_that_is_understood(tmp_path):
    settings = JobSettings.from_values(values(tmp_path))
    options = parsed(settings)
    assert (options["epochs"], options["batch_size"], options["optimizer"]) == (10, 16, "adam")
    assert options["checkpoint_folder"] == settings.checkpoint_folder == str(tmp_path / "mine_checkpoints")
    for absent in ("steps", "window", "val", "base", "labels", "resume", "class_weights", "lr_schedule"):
        assert absent not in options
    assert (settings.threads, settings.nice, settings.grace_sec) == (None, 10, 60.0)


def test_every_parameter_of_training_reaches_the_command_line(tmp_path):
    label_file = tmp_path / "classes.csv"
    label_file.write_text("id,name\n0,a\n")
    given = {
        "val": str(tmp_path),
        "labels": str(label_file),
        "base": str(label_file),
        "cache": str(tmp_path / "cache"),
        "checkpoint_folder": str(tmp_path / "kept"),
    }
    other = {int: 3, float: 0.25, bool: True}
    for item in TRAINER:
        if item.name not in given and item.name not in ("data", "output", "extra"):
            given[item.name] = item.choices[-1] if item.choices else other[type(item.default)]
    given["network"] = "cox3d"  # the only one with a lookahead
    settings = JobSettings.from_values(values(tmp_path, **given))
    options = parsed(settings)
    of_the_node = {"threads": settings.threads, "nice": settings.nice, "cancel_grace_sec": settings.grace_sec}
    for name, value in given.items():
        assert {**options, **of_the_node}[name] == value, name


def test_a_clip_network_gets_no_lookahead(tmp_path):
    assert "lookahead" not in parsed(JobSettings.from_values(values(tmp_path, network="x3d")))
    assert parsed(JobSettings.from_values(values(tmp_path)))["lookahead"] == "none"


def test_extra_words_go_before_parameters(tmp_path):
    settings = JobSettings.from_values(values(tmp_path, extra=["--epochs", "2", "--precision=bf16-mixed", ""]))
    assert (parsed(settings)["epochs"], parsed(settings)["precision"]) == (2, "bf16-mixed")


def test_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = JobSettings.from_values(values(tmp_path, output="mine.onnx", data="~"))
    assert settings.output == str(tmp_path / "mine.onnx")
    assert parsed(settings)["data"] == str(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ""}, "parameter data is empty; it says Folder"),
        ({"output": ""}, "parameter output is empty"),
        ({"output": "mine.pth"}, r"expected a file named \*.onnx"),
        ({"output": "/nowhere/mine.onnx"}, "/nowhere is no folder that can be written"),
        ({"val": "/nowhere"}, "parameter val is /nowhere, but there is no such file or folder"),
        ({"freeze": "all"}, "freeze is 'all', expected one of"),
    ],
)
def test_a_job_that_cannot_be_is_named(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        JobSettings.from_values(values(tmp_path, **changes))
