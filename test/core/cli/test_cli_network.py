"""`export`, `eval` and `train --base` build the network that a checkpoint describes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")
from training_cases import ACTIONS
from training_cases import TINY as SHAPE

from opendr_har_core.cli.main import main
from opendr_har_core.networks import config as configs
from opendr_har_core.networks.checkpoint_metadata import NetworkFacts, facts_entry
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.training.checkpoint import save_checkpoint

TINY = replace(SHAPE, size="xs", stride=6)


@pytest.fixture
def xs(monkeypatch):
    """'xs' is a tiny network here."""
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", TINY)


@pytest.fixture
def checkpoint(xs, tmp_path):
    """A training checkpoint whose network and classes are not the defaults."""
    torch.manual_seed(0)
    network = CoX3D(replace(TINY, lookahead="full"), 2, window=2)
    path = tmp_path / "best.ckpt"
    save_checkpoint({"model_state": network.state_dict(), **facts_entry(network.spec, ACTIONS)}, path)
    return str(path)


@pytest.fixture
def clips(clip_folder):
    return str(clip_folder)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], ("cox3d", "full", 2)),
        (["--size", "xs"], ("cox3d", "full", 2)),
        (["--lookahead", "none"], ("cox3d", "none", 2)),
        (["--window", "5"], ("cox3d", "full", 5)),
        (["--network", "x3d"], ("x3d", "full", 3)),
    ],
)
def test_export_builds_the_network_of_the_checkpoint_unless_told_otherwise(
    checkpoint, tmp_path, capsys, flags, expected
):
    assert main(["export", checkpoint, "--output", str(tmp_path / "mine.onnx"), "--json", *flags]) == 0
    recognizer = Recognizer.open(tmp_path / "mine.onnx")
    spec = recognizer.spec
    assert (spec.architecture, spec.lookahead, spec.window) == expected
    assert (spec.size, recognizer.labels.names) == ("xs", ACTIONS)
    result = json.loads(capsys.readouterr().out)
    assert (result["lookahead"], result["window"], result["classes"]) == (*expected[1:], 2)


OTHER_SIZE = "size is s, but {checkpoint} was trained with size xs; leave size out"
OTHER_LABELS = "the 2 labels differ from the 2 that"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("export {checkpoint} --output mine.onnx --size s", OTHER_SIZE),
        ("eval {checkpoint} --data {clips} --size s", OTHER_SIZE),
        ("train --base {checkpoint} --data {clips} --output mine.onnx --size s", OTHER_SIZE),
        ("export {checkpoint} --output mine.onnx --labels others.csv", OTHER_LABELS),
        ("eval {checkpoint} --data {clips} --labels others.csv", OTHER_LABELS),
    ],
)
def test_what_contradicts_the_checkpoint_is_an_error(
    checkpoint, clips, tmp_path, monkeypatch, capsys, command, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "others.csv").write_text("id,name\n0,jumping\n1,walking\n")
    assert main(command.format(checkpoint=checkpoint, clips=clips).split()) == 2
    assert message.format(checkpoint=checkpoint) in capsys.readouterr().err


def test_eval_takes_network_and_classes_from_the_checkpoint(checkpoint, clips, capsys):
    assert main(["eval", checkpoint, "--data", clips, "--json"]) == 0
    told = capsys.readouterr()
    assert list(json.loads(told.out)["per_class"]) == list(ACTIONS)
    assert f"evaluating {checkpoint} as cox3d_xs (lookahead full, window 2) on" in told.err


def test_training_continues_with_the_network_of_the_checkpoint(checkpoint, clips, tmp_path):
    bundle = tmp_path / "mine.onnx"
    flags = ["--steps", "1", "--batch-size", "2", "--report", str(tmp_path / "report.json")]
    assert main(["train", "--base", checkpoint, "--data", clips, "--output", str(bundle), *flags]) == 0
    recognizer = Recognizer.open(bundle)
    assert (recognizer.spec.name, recognizer.spec.lookahead, recognizer.spec.window) == ("cox3d_xs", "full", 2)
    assert recognizer.labels.names == tuple(sorted(ACTIONS))
    run = json.loads((tmp_path / "report.json").read_text())["run"]
    assert [run[name] for name in ("network", "size", "window", "lookahead")] == ["cox3d", "xs", 2, "full"]


def test_training_is_without_lookahead_by_default_and_resumes_only_so(xs, clips, tmp_path, capsys):
    job = ["train", "--data", clips, "--output", str(tmp_path / "mine.onnx"), "--batch-size", "2"]
    assert main([*job, "--size", "xs", "--window", "2", "--steps", "1"]) == 0
    assert "mine.onnx: cox3d_xs (lookahead none, window 2), 2 classes" in capsys.readouterr().out
    assert Recognizer.open(tmp_path / "mine.onnx").spec.lookahead == "none"
    checkpoint = tmp_path / "mine_checkpoints" / "last.ckpt"
    told = NetworkFacts.read(checkpoint)
    assert (told.spec.lookahead, told.spec.window, list(told.labels)) == ("none", 2, sorted(ACTIONS))

    assert main([*job, "--resume", "--steps", "2", "--lookahead", "full"]) == 1
    error = capsys.readouterr().err
    assert f"{checkpoint} is of a run with {{'warm_up': 1, 'lookahead': 'none'}}, which can't continue with" in error
    assert main([*job, "--resume", "--steps", "2"]) == 0
    assert Recognizer.open(tmp_path / "mine.onnx").spec == told.spec


def test_plain_weights_use_the_defaults(xs, tmp_path, capsys):
    torch.save({"model_state": CoX3D(TINY, 400).state_dict()}, tmp_path / "x3d_xs.pyth")
    assert main(["export", str(tmp_path / "x3d_xs.pyth"), "--output", str(tmp_path / "mine.onnx"), "--size", "xs"]) == 0
    recognizer = Recognizer.open(tmp_path / "mine.onnx")
    assert (recognizer.spec.name, recognizer.spec.window, recognizer.spec.lookahead) == ("cox3d_xs", 3, "none")
    assert recognizer.labels.names[0] == "abseiling"
