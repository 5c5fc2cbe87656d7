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
    first, second, *_ = updates
    assert (first.loss, first.accuracy, first.val_loss, first.eta_sec) == (None, None, None, None)
    assert updates[3].loss == pytest.approx(report.history[0]["train_loss"])
    assert second.eta_sec > 0 == updates[-1].eta_sec


def test_the_progress_bar_counts_epochs_and_batches(capsys):
    report = fit(tiny(), Ramps(), Ramps(4), quick(epochs=2, progress_bar=True))
    assert report.epochs == 2
    drawn = capsys.readouterr().out
    for text in ("Epoch 1/2", "Epoch 2/2", "3/3", "train_loss_step"):
        assert text in drawn


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
