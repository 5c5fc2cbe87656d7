"""`fit` learns, repeats itself exactly and obeys its settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
from training_cases import CoX3D, Ramps, assert_same_weights, causal, quick, tiny, weights_of

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.training.checkpoint import Progress
from opendr_har_core.training.data import ClipData
from opendr_har_core.training.evaluate import evaluate
from opendr_har_core.training.fit import fit
from opendr_har_core.training.module import lr_factor, make_loss
from opendr_har_core.training.settings import TrainingSettings

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]


def trained(settings, data=None, val=None, **making):
    network = tiny(**making)
    return network, fit(network, data or Ramps(), val, settings)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_it_overfits_eight_clips(optimizer):
    rate = 0.05 if optimizer == "sgd" else 1e-2
    settings = quick(epochs=60, batch_size=8, lr=rate, optimizer=optimizer, lr_schedule="cosine", keep="last")
    data = Ramps(8, noise=60)
    report = evaluate(trained(settings, data)[0], data)
    assert report.loss < 0.05
    assert report.accuracy == 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_for_any_number_of_workers():
    data = Ramps(noisy=True)
    weights = [weights_of(trained(quick(epochs=2, num_workers=workers), data)[0]) for workers in (0, 0, 2)]
    assert_same_weights(weights[0], weights[1])
    assert_same_weights(weights[0], weights[2])
    other = weights_of(trained(quick(epochs=2, seed=6), data)[0])
    assert not torch.equal(weights[0]["head.projection.weight"], other["head.projection.weight"])


@pytest.mark.parametrize(
    ("settings", "clips", "expected"),
    [
        ({"epochs": 5, "steps": 4}, 12, (4, 1)),  # three batches an epoch
        ({"epochs": None, "steps": 7}, 12, (7, 2)),
        ({"epochs": 1, "batch_size": 5}, 12, (2, 1)),
        ({"epochs": 1, "batch_size": 5, "drop_last": False}, 12, (3, 1)),
        ({"epochs": 1, "batch_size": 50}, 12, (1, 1)),
    ],
)
def test_the_number_of_steps_and_epochs(settings, clips, expected):
    torch.manual_seed(3)
    expected_random = torch.rand(4)
    network = tiny()
    torch.manual_seed(3)
    report = fit(network, Ramps(clips), None, quick(**settings))
    assert (report.steps, report.epochs) == expected
    assert torch.equal(torch.rand(4), expected_random)  # the caller's random state does not change


def test_accumulated_batches_make_the_update_of_a_large_one():
    def weights(**changes):
        network = tiny()
        network.head.dropout.p = 0.0
        fit(network, Ramps(), settings=quick(epochs=2, optimizer="sgd", freeze_batch_norm=True, keep="last", **changes))
        return weights_of(network)

    large, small = weights(batch_size=12), weights(batch_size=4, accumulate=3)
    for key, value in large.items():
        torch.testing.assert_close(value, small[key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "learning"),
    [
        ({"freeze": "head"}, r"head\.projection\."),
        ({"freeze": "last_stage"}, r"(s3|head)\."),
        ({"backbone_lr_factor": 0.0, "freeze_batch_norm": True}, r"head\.projection\."),
        ({"freeze_batch_norm": True}, r".*(?<!running_mean)(?<!running_var)(?<!num_batches_tracked)$"),
    ],
)
def test_frozen_layers_and_their_statistics_do_not_change(changes, learning):
    network = tiny()
    before = weights_of(network)
    fit(network, Ramps(), settings=quick(epochs=1, keep="last", **changes))
    moved = [key for key, value in network.state_dict().items() if not torch.equal(value, before[key])]
    assert moved
    assert [key for key in moved if not re.match(learning, key)] == []
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_without_lookahead_unused_taps_keep_their_weights(optimizer):
    network = causal()
    before = weights_of(network)
    fit(network, Ramps(), settings=quick(epochs=1, optimizer=optimizer, weight_decay=0.1, keep="last"))
    taps = (network.state_dict()["s2.pathway0_res0.branch2.b.weight"], before["s2.pathway0_res0.branch2.b.weight"])
    assert torch.equal(*(weight[:, :, 2:] for weight in taps))
    assert not torch.equal(*(weight[:, :, :2] for weight in taps))


@pytest.mark.parametrize("window", [1, 3])
def test_without_lookahead_validation_on_clips_equals_stepping(window):
    network = causal(window)
    report = fit(network, Ramps(), Ramps(8), quick(epochs=2))
    stepped = evaluate(network, Ramps(8), stepwise=True).loss
    assert report.best_loss == pytest.approx(stepped, abs=1e-5)
    assert evaluate(network, Ramps(8)).loss == stepped


def test_learning_rate_schedules():
    def factors(name, warmup=0):
        return [lr_factor(quick(lr_schedule=name, warmup_steps=warmup), step, 100, []) for step in range(100)]

    assert factors("") == [1.0] * 100
    cosine = factors("cosine", warmup=9)
    assert cosine[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert cosine[9:] == sorted(cosine[9:], reverse=True)
    assert cosine[-1] < 0.001
    assert [round(factors("step")[step], 4) for step in (0, 49, 50, 74, 75, 99)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    losses, plateau = [1.0, 0.9, 0.95, 0.93, 0.92, 0.91, 0.5], quick(lr_schedule="plateau")
    seen = [lr_factor(plateau, 10, 100, losses[:end]) for end in range(len(losses) + 1)]
    assert seen == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_class_weights_are_the_inverse_frequencies():
    weights = make_loss(quick(class_weights=True), [0, 0, 0, 1, 3], 4).weight
    torch.testing.assert_close(weights, torch.tensor([5 / 9, 5 / 3, 0.0, 5 / 3]))


@pytest.mark.slow
def test_early_stopping_ends_a_run_without_progress():
    _, report = trained(quick(epochs=50, lr=1e-12, freeze_batch_norm=True, early_stopping_patience=2), val=Ramps(6))
    # No step is large enough to change a weight, so the first epoch has the lowest loss, followed by two more.
    assert report.epochs == len(report.history) == 3
    assert len({row["val_loss"] for row in report.history}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_best_or_the_last_epoch_is_kept(keep):
    # A learning rate that ruins what the first epochs learned.
    network, report = trained(quick(epochs=6, lr=0.5, optimizer="sgd", keep=keep), val=Ramps(8))
    accuracies = [row["val_accuracy"] for row in report.history]
    assert report.best_accuracy == max(accuracies)
    expected = max(accuracies) if keep == "best" else accuracies[-1]
    assert evaluate(network, Ramps(8)).accuracy == pytest.approx(expected)


@pytest.mark.slow
def test_logs_are_written_for_tensorboard_and_as_csv(tmp_path):
    _, report = trained(quick(logging_path=str(tmp_path / "log")), val=Ramps(4))
    names = [path.name for path in (tmp_path / "log").iterdir()]
    assert any(name.startswith("events.out.tfevents") for name in names)
    rows = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + len(report.history)
    assert "val_accuracy" in rows[0]


def test_data_that_does_not_fit_is_an_error():
    with pytest.raises(ConfigError, match="the training dataset has 2 classes, the network 5"):
        fit(tiny(num_classes=5), Ramps(), settings=quick())
    with pytest.raises(DataError, match="the training dataset has no clips"):
        fit(tiny(), Ramps(0), settings=quick())
    with pytest.raises(DataError, match="the validation dataset has no clips"):
        fit(tiny(), Ramps(), Ramps(0), quick())
    strays = Ramps(4)
    strays.targets[1] = 2
    with pytest.raises(DataError, match=r"class ids \[2\], but its list has 2 classes"):
        fit(tiny(), strays, settings=quick())


def test_validation_sees_every_clip_once():
    data = ClipData(Ramps(4), Ramps(7), quick(batch_size=3), Progress())
    assert [len(classes) for _, classes in data.val_dataloader()] == [3, 3, 1]


def test_a_clip_that_cannot_be_read_is_left_out_of_its_batch():
    class Broken(Ramps):
        tried = 0

        def try_item(self, index):
            self.tried += 1
            return None if index == 3 else self[index]

    data = Broken(12)
    _, report = trained(quick(epochs=1), data, kind=CoX3D)
    assert (report.steps, data.tried, report.best_accuracy) == (3, 12, None)


# Normalisation is by running statistics: its batch statistics would be those of each process alone.
TRAIN = """
import json, os, sys
import torch
torch.set_num_threads(1)
from training_cases import Ramps, quick, tiny
from opendr_har_core.training.fit import fit
batch, folder = int(sys.argv[1]), sys.argv[2]
network = tiny()
network.head.dropout.p = 0.0
settings = quick(
    epochs=3, batch_size=batch, lr=0.02, optimizer="sgd", freeze_batch_norm=True, keep="last",
    checkpoint_folder=folder,
)
report = fit(network, Ramps(12, noisy=True), Ramps(7), settings)
content = {"history": report.history, "steps": report.steps, "head": network.head.projection.weight.tolist()}
if int(os.environ.get("RANK", 0)) == 0:
    sys.stdout.write(json.dumps(content))
"""


def output_of(command, folder):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=300, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index('{"history"') :])


@pytest.mark.slow
def test_two_processes_give_the_loss_of_one_with_twice_the_batch(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    both = output_of([*torchrun, str(script), "2", str(tmp_path / "both")], tmp_path)
    one = output_of([sys.executable, str(script), "4", str(tmp_path / "one")], tmp_path)
    assert both["steps"] == one["steps"] == 9
    for row, expected in zip(both["history"], one["history"]):
        assert row == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(torch.tensor(both["head"]), torch.tensor(one["head"]), rtol=1e-4, atol=1e-5)
    assert {path.name for path in (tmp_path / "both").iterdir()} == {"best.ckpt", "last.ckpt"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "lion"}, r"optimizer is 'lion', expected one of \['adam', 'adamw', 'sgd'\]"),
        ({"freeze": "stem"}, r"freeze is 'stem', expected one of \['none', 'last_stage', 'head'\]"),
        ({"lr": float("nan")}, "lr is nan, expected a number"),
        ({"epochs": 1.5}, "epochs is 1.5, expected a whole number, 1 or more, or None"),
        ({"momentum": 1.0}, "momentum is 1.0, expected a number, 0 to below 1"),
        ({"drop_last": None}, "drop_last is None, expected True or False"),
        ({"checkpoint_folder": 5}, "checkpoint_folder is 5, expected text, or None"),
        ({"epochs": None}, "epochs and steps are both None"),
        ({"resume_step": 5}, "resume_step is 5 but checkpoint_folder is not set"),
        ({"precision": "bf16-mixed"}, "give device cuda or precision 32-true"),
        ({"learning_rate": 1}, r"no training settings \['learning_rate'\], expected some of \['epochs'"),
    ],
)
def test_wrong_settings_are_errors(values, message):
    with pytest.raises(ConfigError, match=message):
        TrainingSettings.from_dict(values)


def test_settings_survive_the_round_trip():
    settings = TrainingSettings(steps=7, optimizer="sgd", checkpoint_folder=Path("a") / "b", logging_path="logs")
    assert TrainingSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
