"""Training learns, repeats itself exactly, and obeys its settings."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
from torch import nn
from training_cases import CoX3D, Ramps, assert_same_weights, quick, tiny, weights_of

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.labels import LabelMap
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_at
from opendr_har_core.training.data import ClipData, EpochBatches
from opendr_har_core.training.evaluate import evaluate
from opendr_har_core.training.fit import fit
from opendr_har_core.training.freezing import make_optimizer, set_training_mode
from opendr_har_core.training.loss import inverse_frequencies, standardised
from opendr_har_core.training.progress import Progress
from opendr_har_core.training.schedule import Plateau, lr_factor


def trained(settings, data=None, val=None, kind=None, **making):
    network = tiny(**({"kind": kind} if kind else {}), **making)
    report = fit(network, data or Ramps(), val, settings)
    return network, report


class Drawn:
    """Eight clips of drawn figures: eight different actions and views for four classes."""

    labels = LabelMap(ACTIONS[3:7])
    targets = [0, 1, 2, 3] * 2

    def __len__(self):
        return 8

    def __getitem__(self, index):
        frames = render_at(self.labels[self.targets[index]], [0.0, 0.4, 0.8], (96, 96), seed=index)
        clip = np.stack([to_network_input(frame.rgb, 32) for frame in frames]).transpose(3, 0, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(clip)), self.targets[index]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_it_overfits_eight_clips(optimizer, record_property):
    network = tiny(num_classes=4)
    rate = 0.05 if optimizer == "sgd" else 1e-2
    settings = quick(epochs=100, batch_size=8, lr=rate, optimizer=optimizer, lr_schedule="cosine", keep="last")
    fit(network, Drawn(), settings=settings)
    report = evaluate(network, Drawn())
    record_property("loss", report.loss)
    assert report.loss < 0.05
    assert report.accuracy == 1


def test_the_same_seed_gives_the_same_result_whatever_the_number_of_workers():
    data = Ramps(noisy=True)
    weights = [weights_of(trained(quick(num_workers=workers), data)[0]) for workers in (0, 0, 2)]
    assert_same_weights(weights[0], weights[1])
    assert_same_weights(weights[0], weights[2])
    other = weights_of(trained(quick(seed=6), data)[0])
    assert not torch.equal(weights[0]["head.projection.weight"], other["head.projection.weight"])


def test_training_leaves_the_random_numbers_of_the_caller_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    network = tiny()
    torch.manual_seed(3)
    fit(network, Ramps(), settings=quick(epochs=1))
    assert torch.equal(torch.rand(4), expected)


def test_steps_are_those_of_the_whole_run_and_go_before_epochs():
    _, report = trained(quick(epochs=5, steps=4))  # three batches an epoch
    assert (report.steps, report.epochs) == (4, 1)
    assert [row["step"] for row in report.history] == [3, 4]
    _, report = trained(quick(epochs=None, steps=7))
    assert report.steps == 7


def test_accumulated_batches_make_the_update_of_a_large_one():
    def weights(**changes):
        network = tiny()
        network.head.dropout.p = 0.0
        fit(network, Ramps(), settings=quick(epochs=2, optimizer="sgd", freeze_batch_norm=True, keep="last", **changes))
        return weights_of(network)

    large, small = weights(batch_size=12), weights(batch_size=4, accumulate=3)
    for key, value in large.items():
        torch.testing.assert_close(value, small[key], rtol=1e-4, atol=1e-5)


def test_an_incomplete_last_batch_is_left_out_or_kept():
    assert trained(quick(epochs=1, batch_size=5), Ramps(12))[1].steps == 2
    assert trained(quick(epochs=1, batch_size=5, drop_last=False), Ramps(12))[1].steps == 3
    assert trained(quick(epochs=1, batch_size=50), Ramps(12))[1].steps == 1


@pytest.mark.parametrize(
    ("freeze", "learning"), [("head", ("head.projection.",)), ("last_stage", ("s3.", "head.")), ("none", ("",))]
)
def test_frozen_layers_stay_bit_for_bit_also_their_statistics(freeze, learning):
    network = tiny()
    before = weights_of(network)
    fit(network, Ramps(), settings=quick(epochs=1, freeze=freeze, keep="last"))
    for key, value in network.state_dict().items():
        if not key.startswith(learning):
            assert torch.equal(value, before[key]), key
    moved = [k for k, v in network.state_dict().items() if k.endswith("weight") and not torch.equal(v, before[k])]
    assert moved
    assert all(key.startswith(learning) for key in moved)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_statistics_can_be_frozen_alone():
    network = tiny()
    set_training_mode(network, freeze_batch_norm=True)
    assert network.head.dropout.training
    assert not any(module.training for module in network.modules() if isinstance(module, nn.BatchNorm3d))


def test_the_layers_before_the_classifier_can_learn_slower():
    groups = make_optimizer(tiny(), quick(lr=0.1, backbone_lr_factor=0.01)).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.1, 0.001])
    assert len(groups[0]["params"]) == 2
    assert sum(len(group["params"]) for group in groups) == len(list(tiny().parameters()))


def test_schedules():
    def factors(name, warmup=0):
        return [lr_factor(quick(lr_schedule=name, warmup_steps=warmup), step, 100, Plateau()) for step in range(100)]

    assert factors("") == [1.0] * 100
    cosine = factors("cosine", warmup=9)
    assert cosine[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert cosine[9:] == sorted(cosine[9:], reverse=True)
    assert cosine[-1] < 0.001
    assert [round(factors("step")[step], 4) for step in (0, 49, 50, 74, 75, 99)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_the_plateau_schedule_waits_for_epochs_without_progress():
    plateau = Plateau()
    seen = []
    for loss in (1.0, 0.9, 0.95, 0.93, 0.92, 0.5):
        plateau.update(loss)
        seen.append(lr_factor(quick(lr_schedule="plateau"), 10, 100, plateau))
    assert seen == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1])


def test_the_learning_rate_that_was_used_is_reported():
    _, report = trained(quick(epochs=4, lr=0.01, lr_schedule="step"))
    assert [row["lr"] for row in report.history] == pytest.approx([0.01, 0.01, 0.001, 0.0001])


def test_rare_classes_weigh_more():
    weights = inverse_frequencies([0, 0, 0, 1, 3], 4)
    torch.testing.assert_close(weights, torch.tensor([5 / 9, 5 / 3, 0.0, 5 / 3]))
    rare = Ramps(targets=[0] * 14 + [1] * 2)
    recall = {}
    for weigh in (False, True):
        network, _ = trained(quick(epochs=2, lr=2e-3, class_weights=weigh, keep="last", batch_size=8), rare, seed=2)
        logits = torch.stack([network(standardised(rare[i][0][None], network.spec))[0] for i in range(14)])
        recall[weigh] = float(logits.detach().softmax(dim=1)[:, 1].mean())
    assert recall[True] > recall[False]


def test_it_stops_early_when_nothing_gets_better():
    _, report = trained(quick(epochs=50, lr=1e-12, freeze_batch_norm=True, early_stopping_patience=2), val=Ramps(6))
    # The first epoch has the lowest loss, since no step is large enough to change a weight; two more have no lower one.
    assert report.epochs == len(report.history) == 3
    assert len({row["val_loss"] for row in report.history}) == 1


def test_the_best_epoch_is_kept_unless_the_last_is_asked_for():
    # A learning rate that ruins what the first epochs brought.
    kept, best = trained(quick(epochs=8, lr=0.5, optimizer="sgd"), val=Ramps(8))
    accuracies = [row["val_accuracy"] for row in best.history]
    assert best.best_accuracy == max(accuracies)
    assert evaluate(kept, Ramps(8)).accuracy == pytest.approx(max(accuracies))
    last, report = trained(quick(epochs=8, lr=0.5, optimizer="sgd", keep="last"), val=Ramps(8))
    assert evaluate(last, Ramps(8)).accuracy == pytest.approx(report.history[-1]["val_accuracy"])


def test_a_stream_network_is_trained_on_clips():
    network, report = trained(quick(epochs=20), kind=CoX3D)
    assert isinstance(network, CoX3D)
    assert evaluate(network, Ramps()).accuracy == 1
    assert report.best_accuracy is None


@pytest.mark.parametrize(("precision", "computed"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)])
def test_precisions_and_memory_layouts(precision, computed):
    network = tiny()
    dtypes, layouts = set(), set()

    def look(module, inputs, output):
        dtypes.add(output.dtype)
        if output.ndim == 5 and output[0, 0].numel() > 1:  # a single pixel lies alike in all layouts
            layouts.add(output.is_contiguous(memory_format=torch.channels_last_3d))

    kept = network.s1["pathway0_stem"].conv  # in float32; see training/precision.py
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.Linear)) and module is not kept:
            module.register_forward_hook(look)
    report = fit(network, Ramps(), None, quick(epochs=2, precision=precision, channels_last=True))
    assert dtypes == {computed}
    # Without its own bfloat16 convolutions, a CPU computes them in the plain layout.
    if computed == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert layouts == {True}
    assert np.isfinite(report.last_loss)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_mixed_precision_has_the_gradients_of_single_precision(record_property):
    """PyTorch alone gets them wrong on a CPU for the stem, whose kernel is longer than these clips (or X3D-XS's)."""

    def update(precision):
        network = tiny()
        network.head.dropout.p = 0.0
        before = weights_of(network)
        settings = quick(steps=1, epochs=None, lr=1.0, optimizer="sgd", momentum=0.0, weight_decay=0.0, keep="last")
        fit(network, Ramps(), None, replace(settings, precision=precision))
        after = weights_of(network)
        assert "forward" not in vars(network.s1["pathway0_stem"].conv)
        return {name: after[name] - before[name] for name, weight in network.named_parameters() if weight.ndim > 1}

    single, mixed = update("32-true"), update("bf16-mixed")
    apart = {name: float((mixed[name] - single[name]).norm() / single[name].norm()) for name in single}
    record_property("largest", max(apart.values()))
    assert all(share < 0.4 for share in apart.values()), apart  # 0.3 by rounding; the wrong one was 2.3 or no number
    assert_same_weights(mixed, update("bf16-mixed"))


def test_logs_are_written(tmp_path):
    _, report = trained(quick(logging_path=str(tmp_path / "log")), val=Ramps(4))
    names = [path.name for path in (tmp_path / "log").iterdir()]
    assert "metrics.csv" in names
    assert any(name.startswith("events.out.tfevents") for name in names)
    rows = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + len(report.history)
    assert "val_accuracy" in rows[0]


def test_without_folders_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(quick(epochs=1))
    assert list(tmp_path.iterdir()) == []


def test_data_that_does_not_fit_is_refused():
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


def test_a_clip_that_cannot_be_read_is_left_out_of_its_batch():
    class Broken(Ramps):
        tried = 0

        def try_item(self, index):
            self.tried += 1
            return None if index == 3 else self[index]

    data = Broken(12)
    _, report = trained(quick(epochs=1), data)
    assert (report.steps, data.tried) == (3, 12)


def test_processes_share_a_batch_as_one_process_would_take_it():
    def batches(rank, world, size, count=10, drop_last=False):
        settings = quick(batch_size=size, drop_last=drop_last)
        return list(EpochBatches(count, settings, Progress(epoch=2), rank, world))

    one = batches(0, 1, 4, count=8)
    two = [first + second for first, second in zip(batches(0, 2, 2, count=8), batches(1, 2, 2, count=8))]
    assert one == two
    assert sorted(index for batch in one for _, index in batch) == list(range(8))
    uneven = [batches(rank, 3, 2) for rank in range(3)]
    assert {len(batch) for part in uneven for batch in part} == {2}
    assert {index for part in uneven for batch in part for _, index in batch} == set(range(10))


def test_float_clips_are_taken_as_standardised():
    spec = tiny().spec
    clip = torch.rand(1, 3, 3, 32, 32)
    assert standardised(clip, spec) is clip
    white = standardised(torch.full((1, 3, 3, 4, 4), 255, dtype=torch.uint8), spec)
    torch.testing.assert_close(white, torch.full((1, 3, 3, 4, 4), (1 - 0.45) / 0.225))


def test_validation_sees_every_clip_once():
    data = ClipData(Ramps(4), Ramps(7), quick(batch_size=3), Progress())
    assert [len(classes) for _, classes in data.val_dataloader()] == [3, 3, 1]
