"""Options in files, augmentation by flags, and a resume that finds nothing."""

from __future__ import annotations

import json
import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
yaml = pytest.importorskip("yaml")
import torch

from opendr_har_core.cli.augmentation import Augmentation
from opendr_har_core.cli.main import main, parser
from opendr_har_core.datasets.transforms import EvalTransform, TrainTransform
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks import config as configs
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.streaming.recognizer import Recognizer

TINY = X3DConfig("xs", image_size=32, frames=3, stride=6, stage_depths=(1, 2), stage_widths=(8, 16), stem_width=8)
ACTIONS = ("jumping", "walking")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Of a tiny network of two classes, which 'xs' is here."""
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", TINY)
    torch.manual_seed(0)
    torch.save({"model_state": X3D(TINY, 2).state_dict()}, tmp_path / "tiny.pyth")
    (tmp_path / "two.csv").write_text("id,name\n0,jumping\n1,walking\n")
    return tmp_path / "tiny.pyth"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    small = ["--seconds", "1.5", "--fps", "15", "--size", "96x72", "--clips", "2"]
    assert main(["synth", str(folder), "--actions", *ACTIONS, *small]) == 0
    return folder


def write(path, **values):
    path.write_text(yaml.safe_dump(values))
    return str(path)


def test_export_takes_its_options_from_a_file_and_flags_go_first(weights, tmp_path, capsys):
    values = {"checkpoint": str(weights), "bundle": str(tmp_path / "a.onnx"), "size": "xs", "network": "x3d"}
    config = write(tmp_path / "export.yaml", labels=str(tmp_path / "two.csv"), **values)
    assert main(["export", "--config", config, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["model"], result["output"], result["classes"]) == ("x3d_xs", str(tmp_path / "a.onnx"), 2)
    assert main(["export", "--config", config, "--network", "cox3d"]) == 0
    assert Recognizer.open(tmp_path / "a.onnx").spec.name == "cox3d_xs"


def test_eval_takes_its_options_from_a_file(weights, drawn, tmp_path, capsys):
    values = {"checkpoint": str(weights), "data": str(drawn), "size": "xs", "batch-size": 2, "stepwise": True}
    config = write(tmp_path / "eval.yaml", report=str(tmp_path / "eval.json"), **values)
    assert main(["eval", "--config", config, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["job"], result["ok"], result["count"]) == ("eval", True, 4)
    assert json.loads((tmp_path / "eval.json").read_text())["accuracy"] == result["accuracy"]
    assert main(["eval", "--config", config, "--steps", "1"]) == 0
    assert "2 clips: accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("job", "values", "message"),
    [
        ("export", {"size": "xxl"}, "--size: invalid choice: 'xxl'"),
        ("export", {"window": 2.5}, "--window: invalid int value: '2.5'"),
        ("export", {"windows": 2}, "has the option 'windows', expected one of"),
        ("export", {"config": "other.yaml"}, "has the option 'config'"),
        ("export", {}, "--checkpoint is missing; example: opendr-har export"),
        ("export", {"checkpoint": "a.pyth"}, "the output file is missing"),
        ("export", {"checkpoint": "a.pyth", "bundle": "a.onnx", "output": "b.onnx"}, "two output files"),
        ("eval", {"stepwise": "yes"}, "stepwise is 'yes', expected true or false"),
        ("eval", {"data": {"train": "clips"}}, "data is {'train': 'clips'}, expected a value or a flat list"),
        ("eval", {"frame_fps": "fast"}, "--frame-fps: invalid float value: 'fast'"),
        ("eval", {"checkpoint": "a.pyth"}, "--data is missing"),
        ("train", {"scale": [1.1]}, "--scale: expected 2 arguments"),
        ("train", {"flip": True}, "--flip: invalid choice: 'True'"),
    ],
)
def test_errors_in_files_are_usage_errors(job, values, message, tmp_path, capsys):
    assert main([job, "--config", write(tmp_path / "job.yaml", **values)]) == 2
    assert message in capsys.readouterr().err


def augmentation(*flags, names=("a", "b")):
    options = parser().parse_args(["train", "--data", "d", "--output", "o.onnx", *flags])
    made = Augmentation(options, 32)
    made.settle(LabelMap(names))
    return made


def test_flags_reach_the_transform():
    assert augmentation()._transform == TrainTransform(32)
    flags = [
        "--flip",
        "never",
        "--scale",
        "1",
        "1.2",
        "--colour",
        "0.4",
        "--erase",
        "0.5",
        "--erase-area",
        "0.1",
        "0.3",
    ]
    expected = TrainTransform(32, flip=False, scale=(1.0, 1.2), colour=0.4, erase=0.5, erase_area=(0.1, 0.3))
    assert augmentation(*flags)._transform == expected
    assert augmentation("--color", "0")._transform.colour == 0
    assert augmentation("--no-augmentation")._transform == EvalTransform(32)


def test_clips_are_not_mirrored_where_classes_tell_left_from_right_unless_asked():
    names = ("raising the left arm", "raising the right arm")
    assert augmentation(names=names)._transform.flip is False
    assert augmentation("--flip", "half", names=names)._transform.flip is True


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--colour", "1.5"], "colour is 1.5"),
        (["--scale", "0.5", "1"], "scale is (0.5, 1.0), expected a rising range"),
        (["--no-augmentation", "--erase", "0.1"], "leaves no use for ['erase']"),
        (["--no-augmentation", "--flip", "half"], "leaves no use for ['flip']"),
    ],
)
def test_augmentation_that_makes_no_sense_is_refused(flags, message):
    with pytest.raises(ConfigError) as raised:
        augmentation(*flags)
    assert message in str(raised.value)


@pytest.fixture
def training(weights, drawn, tmp_path, capsys):
    pytest.importorskip("lightning")

    def run(*flags):
        base = [
            "train",
            "--data",
            str(drawn),
            "--size",
            "xs",
            "--batch-size",
            "2",
            "--output",
            str(tmp_path / "m.onnx"),
        ]
        code = main([*base, *flags])
        return code, capsys.readouterr()

    return run


def test_augmentation_changes_what_is_learned_and_is_written_down(training, tmp_path):
    losses = []
    for flags in ([], ["--no-augmentation"], ["--no-augmentation", "--seed", "123"]):
        code, _ = training("--steps", "2", "--report", str(tmp_path / "report.json"), *flags)
        assert code == 0
        report = json.loads((tmp_path / "report.json").read_text())
        losses.append(report["history"][-1]["train_loss"])
        assert (report["run"]["augmentation"] is None) == bool(flags)
    assert losses[0] != losses[1] == losses[2]


def test_a_resume_that_finds_nothing_says_so(training, tmp_path):
    code, written = training("--steps", "1", "--resume")
    assert code == 0
    folder = tmp_path / "m_checkpoints"
    assert f"opendr-har: --resume found no last.ckpt in {folder}: training begins anew" in written.err
    code, written = training("--steps", "2", "--resume")
    assert code == 0
    assert "found no last.ckpt" not in written.err
    assert f"going on from {folder / 'last.ckpt'}, step 1" in written.err
    shutil.rmtree(folder)


def test_json_and_quiet_leave_nothing_but_the_result(training, tmp_path):
    code, written = training("--steps", "1", "--json")
    (line,) = written.out.splitlines()
    result = json.loads(line)
    assert (code, result["job"], result["ok"], result["steps"]) == (0, "train", True, 1)
    assert result["output"] == str(tmp_path / "m.onnx")
    assert "epoch 1" in written.err
    code, written = training("--steps", "1", "--quiet")
    size = f"{(tmp_path / 'm.onnx').stat().st_size / 1e6:.1f} MB"
    assert written.out == f"{tmp_path / 'm.onnx'}: cox3d_xs (lookahead none, window 3), 2 classes, {size}\n"
    assert "epoch" not in written.err
    code, written = training("--steps", "1", "--json", "--progress", "json")
    assert code == 2
    assert "leave one of them out" in written.err


def test_an_evaluation_counts_its_clips(weights, drawn, monkeypatch):
    from contextlib import contextmanager

    from opendr_har_core.cli.output import Output

    told = []

    @contextmanager
    def progress(self, what, unit=""):
        yield lambda done, total: told.append((done, total))

    monkeypatch.setattr(Output, "progress", progress)
    assert main(["eval", str(weights), "--data", str(drawn), "--size", "xs", "--batch-size", "3"]) == 0
    assert told == [(3, 4), (4, 4)]
