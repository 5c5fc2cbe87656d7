"""--config files, augmentation flags, and the output of training and evaluation."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
yaml = pytest.importorskip("yaml")

from opendr_har_core.cli.augmentation import Augmentation
from opendr_har_core.cli.config_file import with_config
from opendr_har_core.cli.main import main, parser
from opendr_har_core.datasets.transforms import EvalTransform, TrainTransform
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks import config as configs
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.x3d import X3D

TINY = X3DConfig("xs", image_size=32, frames=3, stride=6, stage_depths=(1, 2), stage_widths=(8, 16), stem_width=8)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights of a tiny network with two classes, the size 'xs' in the test."""
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", TINY)
    torch.manual_seed(0)
    torch.save({"model_state": X3D(TINY, 2).state_dict()}, tmp_path / "tiny.pyth")
    return tmp_path / "tiny.pyth"


def write(path, **values):
    path.write_text(yaml.safe_dump(values))
    return str(path)


def test_flags_take_precedence_over_the_file_and_the_file_over_defaults(tmp_path):
    values = {"network": "x3d", "size": "xs", "window": 4, "source": "-5 to 5: a 'test'", "bundle": "a.onnx"}
    config = write(tmp_path / "export.yaml", labels=None, **values)
    options = with_config(parser(), ["export", "mine.ckpt", "--size", "m", "--config", config])
    given = {name: getattr(options, name) for name in ("checkpoint", "labels", "quiet", *values)}
    assert given == {**values, "checkpoint": "mine.ckpt", "size": "m", "labels": None, "quiet": False}
    options = with_config(parser(), ["export", "mine.ckpt", "mine.onnx", "--config", config])
    assert (options.checkpoint, options.bundle, options.size) == ("mine.ckpt", "mine.onnx", "xs")


@pytest.mark.parametrize(
    ("command", "values", "message"),
    [
        ("export", {"size": "xxl"}, "--size: invalid choice: 'xxl'"),
        ("export", {"window": 2.5}, "--window: invalid int value: '2.5'"),
        ("export", {"windows": 2}, "has the option 'windows', expected one of"),
        ("export", {"checkpoint": "a.pyth", "bundle": "a.onnx", "output": "b.onnx"}, "two output files"),
        ("eval", {"stepwise": "yes"}, "stepwise is 'yes', expected true or false"),
        ("eval", {"data": {"train": "clips"}}, "data is {'train': 'clips'}, expected a value or a flat list"),
        ("eval", {"checkpoint": "a.pyth"}, "--data is missing"),
    ],
)
def test_errors_in_files_are_usage_errors(command, values, message, tmp_path, capsys):
    assert main([command, "--config", write(tmp_path / "job.yaml", **values)]) == 2
    assert message in capsys.readouterr().err


def augmentation(*flags, names=("a", "b")):
    options = parser().parse_args(["train", "--data", "d", "--output", "o.onnx", *flags])
    made = Augmentation(options, 32)
    made.settle(LabelMap(names))
    return made


def test_augmentation_flags_reach_the_transform():
    assert augmentation()._transform == TrainTransform(32)
    geometry = ["--flip", "never", "--scale", "1", "1.2"]
    flags = [*geometry, "--colour", "0.4", "--erase", "0.5", "--erase-area", "0.1", "0.3"]
    expected = TrainTransform(32, flip=False, scale=(1.0, 1.2), colour=0.4, erase=0.5, erase_area=(0.1, 0.3))
    assert augmentation(*flags)._transform == expected
    assert augmentation("--color", "0")._transform.colour == 0
    assert augmentation("--no-augmentation")._transform == EvalTransform(32)


def test_clips_are_not_mirrored_if_class_names_say_left_or_right_unless_asked():
    names = ("raising the left arm", "raising the right arm")
    assert augmentation(names=names)._transform.flip is False
    assert augmentation("--flip", "half", names=names)._transform.flip is True


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--colour", "1.5"], "colour is 1.5"),
        (["--no-augmentation", "--flip", "half"], "['flip']"),
    ],
)
def test_wrong_augmentation_flags_are_errors(flags, message):
    with pytest.raises(ConfigError) as raised:
        augmentation(*flags)
    assert message in str(raised.value)


@pytest.fixture
def train(weights, clip_folder, tmp_path, capsys):
    pytest.importorskip("lightning")

    def run(*flags):
        files = ["--data", str(clip_folder), "--output", str(tmp_path / "m.onnx")]
        assert main(["train", *files, "--size", "xs", "--batch-size", "2", "--steps", "1", *flags]) == 0
        return capsys.readouterr()

    return run


def test_json_and_quiet_print_only_the_result(train, tmp_path, capsys):
    written = train("--json")
    result = json.loads(written.out)
    assert (result["job"], result["steps"], result["output"]) == ("train", 1, str(tmp_path / "m.onnx"))
    assert "epoch 1" in written.err
    written = train("--quiet")
    size = f"{(tmp_path / 'm.onnx').stat().st_size / 1e6:.1f} MB"
    assert written.out == f"{tmp_path / 'm.onnx'}: cox3d_xs (lookahead none, window 3), 2 classes, {size}\n"
    assert "epoch 1" not in written.err
    assert main(["train", "--data", "d", "--output", "o.onnx", "--json", "--progress", "json"]) == 2


def test_eval_prints_and_reports_the_accuracy(weights, clip_folder, tmp_path, capsys):
    report = tmp_path / "eval.json"
    values = {
        "checkpoint": str(weights),
        "data": str(clip_folder),
        "size": "xs",
        "batch-size": 2,
        "report": str(report),
    }
    config = write(tmp_path / "eval.yaml", stepwise=True, **values)
    assert main(["eval", "--config", config, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["job"], result["ok"], result["count"]) == ("eval", True, 4)
    assert json.loads(report.read_text())["accuracy"] == result["accuracy"]
    assert main(["eval", "--config", config, "--steps", "1"]) == 0
    assert "2 clips: accuracy" in capsys.readouterr().out
