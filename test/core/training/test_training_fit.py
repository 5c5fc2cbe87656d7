"""`fit` learns, repeats itself exactly and obeys its settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
import numpy as np
from torch import nn
from training_cases import CoX3D, Ramps, assert_same_weights, quick, tiny, weights_of

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.training.checkpoint import Progress
from opendr_har_core.training.data import ClipData, EpochBatches
from opendr_har_core.training.evaluate import evaluate
from opendr_har_core.training.fit import fit
from opendr_har_core.training.module import inverse_frequencies, standardized
from opendr_har_core.training.optimization import lr_factor, make_optimizer, set_training_mode


def trained(settings, data=None, val=None, **making):
    network = tiny(**making)
    return network, fit(network, data or Ramps(), val, settings)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_it_overfits_eight_clips(optimizer, record_property):
    rate = 0.05 if optimizer == "sgd" else 1e-2
    settings = quick(epochs=60, batch_size=8, lr=rate, optimizer=optimizer, lr_schedule="cosine", keep="last")
    data = Ramps(8, noise=60)
    network, _ = trained(settings, data)
    report = evaluate(network, data)
    record_property("loss", report.loss)
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


def test_training_does_not_change_the_callers_random_state():
    network = tiny()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fit(network, Ramps(), settings=quick(epochs=1))
    assert torch.equal(torch.rand(4), expected)


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
    report = trained(quick(**settings), Ramps(clips))[1]
    assert (report.steps, report.epochs) == expected


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
    ("freeze", "learning"), [("head", ("head.projection.",)), ("last_stage", ("s3.", "head.")), ("none", ("",))]
)
def test_frozen_layers_and_their_statistics_do_not_change(freeze, learning):
    network = tiny()
    before = weights_of(network)
    fit(network, Ramps(), settings=quick(epochs=1, freeze=freeze, keep="last"))
    moved = [key for key, value in network.state_dict().items() if not torch.equal(value, before[key])]
    assert moved
    assert all(key.startswith(learning) for key in moved)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_batch_norm_statistics_can_be_frozen_alone():
    network = tiny()
    set_training_mode(network, freeze_batch_norm=True)
    assert network.head.dropout.training
    assert not any(module.training for module in network.modules() if isinstance(module, nn.BatchNorm3d))


def test_the_layers_before_the_classifier_can_learn_slower():
    groups = make_optimizer(tiny(), quick(lr=0.1, backbone_lr_factor=0.01)).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.1, 0.001])
    assert len(groups[0]["params"]) == 2
    assert sum(len(group["params"]) for group in groups) == len(list(tiny().parameters()))


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


def test_the_history_has_the_learning_rate_that_was_used():
    _, report = trained(quick(epochs=4, lr=0.01, lr_schedule="step"))
    assert [row["lr"] for row in report.history] == pytest.approx([0.01, 0.01, 0.001, 0.0001])
    assert [row["step"] for row in report.history] == [3, 6, 9, 12]


@pytest.mark.slow
def test_class_weights_raise_the_recall_of_rare_classes():
    weights = inverse_frequencies([0, 0, 0, 1, 3], 4)
    torch.testing.assert_close(weights, torch.tensor([5 / 9, 5 / 3, 0.0, 5 / 3]))
    rare = Ramps(targets=[0] * 14 + [1] * 2)
    clips = standardized(torch.stack(rare.clips[:14]), tiny().spec)
    mean = {}
    for weigh in (False, True):
        network, _ = trained(quick(epochs=2, lr=2e-3, class_weights=weigh, keep="last", batch_size=8), rare, seed=2)
        mean[weigh] = float(network(clips).detach().softmax(dim=1)[:, 1].mean())
    assert mean[True] > mean[False]


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


@pytest.mark.parametrize(("precision", "computed"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)])
def test_precisions_and_memory_layouts(precision, computed):
    network = tiny()
    dtypes, layouts = set(), set()

    def look(module, inputs, output):
        dtypes.add(output.dtype)
        if output.ndim == 5 and output[0, 0].numel() > 1:  # a single pixel has the same layout either way
            layouts.add(output.is_contiguous(memory_format=torch.channels_last_3d))

    kept = network.s1["pathway0_stem"].conv  # in float32; see stem_in_float32
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.Linear)) and module is not kept:
            module.register_forward_hook(look)
    report = fit(network, Ramps(), None, quick(epochs=1, precision=precision, channels_last=True))
    assert dtypes == {computed}
    # Without bfloat16 convolutions of its own, a CPU computes them in the default layout.
    if computed == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert True in layouts
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
    assert all(share < 0.4 for share in apart.values()), apart  # 0.3 by rounding; the wrong one was 2.3 or NaN
    assert_same_weights(mixed, update("bf16-mixed"))


@pytest.mark.slow
def test_logs_are_written_for_tensorboard_and_as_csv(tmp_path):
    _, report = trained(quick(logging_path=str(tmp_path / "log")), val=Ramps(4))
    names = [path.name for path in (tmp_path / "log").iterdir()]
    assert any(name.startswith("events.out.tfevents") for name in names)
    rows = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + len(report.history)
    assert "val_accuracy" in rows[0]


def test_without_folders_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(quick(epochs=1))
    assert list(tmp_path.iterdir()) == []


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


def test_a_clip_that_cannot_be_read_is_left_out_of_its_batch():
    class Broken(Ramps):
        tried = 0

        def try_item(self, index):
            self.tried += 1
            return None if index == 3 else self[index]

    data = Broken(12)
    _, report = trained(quick(epochs=1), data, kind=CoX3D)
    assert (report.steps, data.tried, report.best_accuracy) == (3, 12, None)


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
    assert standardized(clip, spec) is clip
    white = standardized(torch.full((1, 3, 3, 4, 4), 255, dtype=torch.uint8), spec)
    torch.testing.assert_close(white, torch.full((1, 3, 3, 4, 4), (1 - 0.45) / 0.225))


def test_validation_sees_every_clip_once():
    data = ClipData(Ramps(4), Ramps(7), quick(batch_size=3), Progress())
    assert [len(classes) for _, classes in data.val_dataloader()] == [3, 3, 1]
