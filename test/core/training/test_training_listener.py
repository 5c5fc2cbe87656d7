"""Progress of a run: updates for a listener, lines of JSON, the progress bar."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
from training_cases import ACTIONS, TINY, Ramps, quick, tiny

from opendr_har_core.cli.main import main
from opendr_har_core.networks import config as configs
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.training import callbacks
from opendr_har_core.training.fit import fit

ROOT = Path(__file__).resolve().parents[3]
COUNTS = {"state", "epoch", "epochs", "step", "steps", "loss", "accuracy", "val_loss", "val_accuracy", "eta_sec"}


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(callbacks, "REPORT_EVERY_SEC", 0.0)


def heard(settings, val=None):
    updates = []
    report = fit(tiny(), Ramps(), val, settings, updates.append)
    return updates, report


def test_every_epoch_is_reported_with_its_numbers(every_step):
    updates, report = heard(quick(epochs=2), Ramps(6))  # three batches an epoch
    told = [(update.state, update.epoch, update.step) for update in updates]
    first = [("training", 1, step) for step in (0, 1, 2, 3)] + [("validating", 1, 3), ("epoch_end", 1, 3)]
    second = [("training", 2, step) for step in (4, 5, 6)] + [("validating", 2, 6), ("epoch_end", 2, 6)]
    assert told == first + second
    assert {(update.epochs, update.steps) for update in updates} == {(2, 6)}
    ends = [update for update in updates if update.state == "epoch_end"]
    for update, row in zip(ends, report.history):
        assert (update.loss, update.accuracy) == (row["train_loss"], row["train_accuracy"])
        assert (update.val_loss, update.val_accuracy) == (row["val_loss"], row["val_accuracy"])
    assert updates[-1].best_accuracy == report.best_accuracy


def test_means_cover_the_epoch_so_far_and_the_remaining_time_shrinks(every_step):
    updates, report = heard(quick(epochs=1))
    assert (updates[0].loss, updates[0].accuracy, updates[0].eta_sec) == (None, None, None)
    assert updates[3].loss == pytest.approx(report.history[0]["train_loss"])
    assert updates[3].accuracy == pytest.approx(report.history[0]["train_accuracy"])
    assert updates[1].eta_sec > 0
    assert updates[3].eta_sec == 0
    assert updates[3].val_loss is None


def test_reports_within_an_epoch_are_limited_in_rate(monkeypatch):
    monkeypatch.setattr(callbacks, "REPORT_EVERY_SEC", 1e9)
    updates, _ = heard(quick(epochs=2))
    assert [update.state for update in updates] == ["training", "epoch_end", "epoch_end"]


def test_a_resumed_run_continues_the_count(every_step, tmp_path):
    folder = str(tmp_path)
    heard(quick(epochs=1, checkpoint_folder=folder))
    updates, _ = heard(quick(epochs=2, checkpoint_folder=folder, resume_step=3))
    assert [(update.state, update.epoch, update.step) for update in updates][:2] == [
        ("training", 2, 3),
        ("training", 2, 4),
    ]
    assert updates[0].eta_sec is None
    assert updates[-1].step == updates[-1].steps == 6


def test_an_exception_of_the_listener_ends_the_run():
    def refuse(update):
        raise OSError("no more room")

    with pytest.raises(OSError, match="no more room"):
        fit(tiny(), Ramps(), None, quick(), refuse)


def test_the_progress_bar_counts_epochs_and_batches(capsys):
    report = fit(tiny(), Ramps(), Ramps(4), quick(epochs=2, progress_bar=True))
    assert report.epochs == 2
    drawn = capsys.readouterr().out
    assert "Epoch 1/2" in drawn
    assert "Epoch 2/2" in drawn
    assert "3/3" in drawn
    assert "train_loss_step" in drawn


def command(clips, output, *flags):
    data = ["--data", str(clips), "--val", str(clips), "--output", str(output)]
    return ["train", "--json", "--size", "xs", "--batch-size", "2", *data, *flags]


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_standard_output_has_lines_of_json_only(every_step, clip_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", TINY)
    bundle = tmp_path / "mine.onnx"
    assert main(command(clip_folder, bundle, "--epochs", "2")) == 0
    first, data, *updates, exporting, last = lines_of(capsys.readouterr().out)
    assert first["state"] == "starting"
    assert first["run"]["settings"]["epochs"] == 2
    assert data["training"] == data["validation"] == "4 clips of 2 of 2 classes"
    assert all(set(update) >= COUNTS for update in updates)
    assert [update["step"] for update in updates if update["state"] == "epoch_end"] == [2, 4]
    assert exporting["state"] == "exporting"
    assert (last["state"], last["ok"], last["output"], last["step"]) == ("done", True, str(bundle), 4)
    assert last["best_accuracy"] == max(update["val_accuracy"] or 0 for update in updates)
    assert Recognizer.open(last["output"]).labels.names == tuple(sorted(ACTIONS))


def test_the_last_line_of_a_failed_run_has_the_error(clip_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", TINY)
    assert main(command(tmp_path / "gone", tmp_path / "mine.onnx", "--epochs", "1")) == 1
    captured = capsys.readouterr()
    last = lines_of(captured.out)[-1]
    assert (last["state"], last["exit_code"]) == ("failed", 1)
    assert "there is no folder" in last["error"]
    assert "there is no folder" in captured.err


@pytest.mark.parametrize(
    ("output", "message"), [("gone/mine.onnx", "make the folder"), ("mine.pth", "expected a file named *.onnx")]
)
def test_an_output_that_cannot_be_written_is_an_error_before_training(output, message, clip_folder, tmp_path, capsys):
    assert main(command(clip_folder, tmp_path / output, "--epochs", "1")) == 2
    (last,) = lines_of(capsys.readouterr().out)
    assert message in last["error"]


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_and_a_last_line(clip_folder, tmp_path):
    flags = ["--epochs", "1000", "--freeze", "head", "--checkpoint-folder", str(tmp_path / "checkpoints")]
    arguments = [
        sys.executable,
        "-m",
        "opendr_har_core.cli.main",
        *command(clip_folder, tmp_path / "mine.onnx", *flags),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if (json.loads(line).get("step") or 0) >= 2:
                break
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    last = lines_of(out)[-1]
    assert (process.returncode, last["state"]) == (130, "cancelled")
    assert str(tmp_path / "checkpoints" / "last.ckpt") in last["checkpoints"]
    assert "--resume" in errors
