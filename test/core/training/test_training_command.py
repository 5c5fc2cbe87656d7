"""`opendr-har train` and `eval`: from a folder of videos to a bundle that runs."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
onnx = pytest.importorskip("onnx")
from training_cases import ACTIONS, assert_same_weights

from opendr_har_core.cli import train
from opendr_har_core.cli.main import main
from opendr_har_core.networks import config as configs
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.teaching.lessons import Example, Lessons
from opendr_har_core.training.checkpoint import last_step, read_checkpoint

TINY = X3DConfig("xs", image_size=32, frames=3, stride=6, stage_depths=(1, 2), stage_widths=(8, 16), stem_width=8)


@pytest.fixture
def clips(clip_folder, monkeypatch):
    """Two videos of each of two actions; 'xs' is a tiny network here."""
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", TINY)
    return clip_folder


def test_clips_become_a_bundle_that_runs(clips, tmp_path, capsys):
    bundle, report = tmp_path / "mine.onnx", tmp_path / "report.json"
    flags = ["--size", "xs", "--epochs", "2", "--batch-size", "2", "--report", str(report)]
    folder = ["--checkpoint-folder", str(tmp_path / "checkpoints")]
    assert main(["train", "--data", str(clips), "--val", str(clips), "--output", str(bundle), *flags, *folder]) == 0
    output = capsys.readouterr().out
    assert '"batch_size": 2' in output
    assert "epoch 2, step 4: train_loss" in output
    assert "val_accuracy" in output
    recognizer = Recognizer.open(bundle)
    assert recognizer.labels.names == tuple(sorted(ACTIONS))
    assert recognizer.spec.name == "cox3d_xs"
    assert recognizer.source == "trained on clips for 4 steps from random weights"
    assert json.loads(report.read_text())["run"]["settings"]["epochs"] == 2

    picture, numbers = tmp_path / "confusion.png", tmp_path / "eval.json"
    checkpoint = str(tmp_path / "checkpoints" / "best.ckpt")
    extra = ["--stepwise", "--report", str(numbers), "--picture", str(picture)]
    assert main(["eval", checkpoint, "--data", str(clips), "--size", "xs", *extra]) == 0
    assert "4 clips: accuracy" in capsys.readouterr().out
    assert json.loads(numbers.read_text())["count"] == 4
    assert picture.stat().st_size > 5000


def test_lessons_are_trained_like_any_folder_of_videos(clips, tmp_path):
    lessons = Lessons(tmp_path / "lessons")
    for clip in sorted(clips.rglob("*.mp4")):
        example = Example(np.ones((2, 4), np.float32), 0, 1.5)
        lessons.add(f"my/{clip.parent.name}?", example, "base", lambda path, clip=clip: shutil.copy(clip, path))
    bundle = tmp_path / "mine.onnx"
    flags = ["--size", "xs", "--epochs", "1", "--batch-size", "2", "--checkpoint-folder", str(tmp_path / "checkpoints")]
    assert main(["train", "--data", str(lessons.folder), "--output", str(bundle), *flags]) == 0
    assert list(Recognizer.open(bundle).labels) == sorted(f"my/{action}?" for action in ACTIONS)


def test_options_come_from_a_file_and_later_flags_take_precedence(clips, tmp_path, capsys):
    base, words, bundle = tmp_path / "base.pyth", tmp_path / "train.txt", tmp_path / "mine.onnx"
    torch.save({"model_state": X3D(TINY, 5).state_dict()}, base)  # other classes
    lines = [f"--data '{clips}'", "--size xs --network x3d", "", "--epochs=7  # too many", f"--base '{base}'"]
    words.write_text("\n".join([*lines, "--batch-size 2", "--freeze head"]))
    assert main(["train", f"@{words}", "--epochs", "1", "--output", str(bundle)]) == 0
    output = capsys.readouterr().out
    for expected in ('"epochs": 1', '"freeze": "head"', '"batch_size": 2', '"network": "x3d"'):
        assert expected in output
    assert Recognizer.open(bundle).spec.name == "x3d_xs"
    assert Recognizer.open(bundle).source.startswith("trained on clips for 2 steps from base.pyth (sha256 ")


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl+C as soon as the first epoch is reported: the run ends after the first update of the second."""

    def text(update):
        if update.state == "epoch_end":
            signal.raise_signal(signal.SIGINT)
        return plain(update)

    plain = train.epoch_text

    def run(arguments):
        with monkeypatch.context() as patch:
            patch.setattr(train, "epoch_text", text)
            return main(arguments)

    return run


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(clips, tmp_path, monkeypatch, capsys, interrupted):
    monkeypatch.chdir(tmp_path)
    base = ["train", "--data", str(clips), "--val", str(clips), "--size", "xs", "--batch-size", "2", "--epochs", "3"]
    assert main([*base, "--output", "whole.onnx", "--report", "whole.json"]) == 0
    parts = [*base, "--output", "parts.onnx", "--report", "parts.json"]
    folder = "parts_checkpoints"
    capsys.readouterr()
    assert interrupted(parts) == 130
    captured = capsys.readouterr()
    assert captured.err == f"opendr-har: stopped after 3 steps; continue with --checkpoint-folder {folder} --resume\n"
    assert [line[:15] for line in captured.out.splitlines() if line.startswith("epoch")] == ["epoch 1, step 2"]
    assert last_step(folder) == 3
    assert not Path("parts.onnx").exists()

    assert main([*parts, "--resume"]) == 0
    said = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert said == ["epoch 2, step 4", "epoch 3, step 6"]
    whole, resumed = (json.loads(Path(f"{name}.json").read_text()) for name in ("whole", "parts"))
    assert resumed["run"]["settings"]["resume_step"] == 3
    assert resumed["history"] == whole["history"]
    ends = [read_checkpoint(Path(path) / "last.ckpt") for path in ("whole_checkpoints", folder)]
    assert_same_weights(ends[0]["model_state"], ends[1]["model_state"])
    assert ends[0]["progress"]["step"] == ends[1]["progress"]["step"] == 6
    assert digest_of("whole.onnx") == digest_of("parts.onnx")


def digest_of(bundle):
    """Of the exported weights."""
    digest = hashlib.sha256()
    for tensor in sorted(onnx.load(bundle).graph.initializer, key=lambda tensor: tensor.name):
        digest.update(tensor.SerializeToString())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "CLIPS"], "required: --output"),
        (["--output", "mine.onnx"], "required: --data"),
        (["--data", "CLIPS", "--output", "mine.pth"], "expected a file named *.onnx"),
        (["--data", "CLIPS", "--output", "gone/mine.onnx"], "make the folder gone"),
        (["--data", "CLIPS", "--output", "o.onnx", "--lr", "-1"], "lr is -1.0, expected a number, above 0"),
        (["--data", "CLIPS", "--output", "o.onnx", "--network", "x3d", "--window", "3"], "only cox3d has a window"),
        (["--data", "CLIPS", "--output", "o.onnx", "--precision", "16-mixed"], "give device cuda or precision 32-true"),
    ],
)
def test_usage_errors_are_reported(clips, capsys, flags, message):
    flags = [str(clips) if flag == "CLIPS" else flag for flag in flags]
    assert main(["train", "--size", "xs", "--epochs", "1", *flags]) == 2
    assert message in capsys.readouterr().err


def test_quiet_prints_only_the_result(clips, tmp_path, capsys):
    bundle = tmp_path / "m.onnx"
    flags = ["--data", str(clips), "--output", str(bundle), "--size", "xs", "--batch-size", "2", "--steps", "1"]
    assert main(["train", *flags, "--quiet"]) == 0
    written = capsys.readouterr()
    size = f"{bundle.stat().st_size / 1e6:.1f} MB"
    assert written.out == f"{bundle}: cox3d_xs (lookahead none, window 3), 2 classes, {size}\n"
    assert "epoch 1" not in written.err
    assert main(["train", *flags, "--quiet", "--json"]) == 0
    (result,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (result["job"], result["step"], result["output"]) == ("train", 1, str(bundle))


def test_eval_prints_the_accuracy_as_text_and_as_json(clips, tmp_path, capsys):
    torch.save({"model_state": X3D(TINY, 2).state_dict()}, tmp_path / "tiny.pyth")
    command = ["eval", str(tmp_path / "tiny.pyth"), "--data", str(clips), "--size", "xs", "--batch-size", "2"]
    assert main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["job"], result["ok"], result["count"]) == ("eval", True, 4)
    assert main([*command, "--steps", "1"]) == 0
    assert "2 clips: accuracy" in capsys.readouterr().out
