"""The command line that the trainer's parameters become."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")
yaml = pytest.importorskip("yaml")

from opendr_har_core.cli.main import parser
from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.parameters import default_of
from opendr_har_ros.trainer.parameters import TRAINER, JobSettings

ROOT = Path(__file__).resolve().parents[3]


def values(tmp_path, **changes):
    needed = {"data": str(tmp_path), "output": str(tmp_path / "mine.onnx")}
    return {**{item.name: default_of(item) for item in TRAINER.settings}, **needed, **changes}


def parsed(settings):
    return vars(parser().parse_args(["train", *settings.arguments]))


def test_the_defaults_are_a_valid_command_line(tmp_path):
    settings = JobSettings.from_values(values(tmp_path))
    options = parsed(settings)
    assert (options["epochs"], options["batch_size"], options["optimizer"]) == (10, 16, "adam")
    assert options["checkpoint_folder"] == settings.checkpoint_folder == str(tmp_path / "mine_checkpoints")
    for absent in ("steps", "window", "val", "base", "labels", "resume", "class_weights", "lr_schedule"):
        assert not options.get(absent), absent
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
    for item in TRAINER.settings:
        if item.name not in given and item.name not in ("data", "output", "extra"):
            given[item.name] = item.choices[-1] if item.choices else other[item.kind]
    given["network"] = "cox3d"  # the only one with a lookahead
    settings = JobSettings.from_values(values(tmp_path, **given))
    options = parsed(settings)
    node = {"threads": settings.threads, "nice": settings.nice, "cancel_grace_sec": settings.grace_sec}
    for name, value in given.items():
        assert {**options, **node}[name] == value, name


def test_a_clip_network_gets_no_lookahead(tmp_path):
    assert parsed(JobSettings.from_values(values(tmp_path, network="x3d"))).get("lookahead") is None
    assert parsed(JobSettings.from_values(values(tmp_path)))["lookahead"] == "none"


def test_extra_words_override_parameters(tmp_path):
    settings = JobSettings.from_values(values(tmp_path, extra=["--epochs", "2", "--precision=bf16-mixed", ""]))
    assert (parsed(settings)["epochs"], parsed(settings)["precision"]) == (2, "bf16-mixed")


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = JobSettings.from_values(values(tmp_path, output="mine.onnx", data="~"))
    assert settings.output == str(tmp_path / "mine.onnx")
    assert parsed(settings)["data"] == str(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ""}, "parameter data is empty, but a job requires it"),
        ({"output": ""}, "parameter output is empty"),
        ({"output": "mine.pth"}, r"expected a file named \*.onnx"),
        ({"output": "/nowhere/mine.onnx"}, "/nowhere is not a writable folder"),
        ({"val": "/nowhere"}, "parameter val is /nowhere, but there is no such file or folder"),
        ({"freeze": "all"}, "freeze is 'all', expected one of"),
    ],
)
def test_an_invalid_job_is_an_error_with_its_reason(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        JobSettings.from_values(values(tmp_path, **changes))
