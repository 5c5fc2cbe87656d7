"""`fit` and `eval` of the learners."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

import torch.nn.functional as F

from opendr_har_core import CoX3DLearner, LabelMap, X3DLearner
from opendr_har_core.errors import CheckpointError, ConfigError, DataError, LabelError
from opendr_har_core.networks.x3d import standardized
from opendr_har_core.training import fit as fit_module
from opendr_har_core.training.evaluate import step_over_clips

KINDS = [X3DLearner, CoX3DLearner]
pytestmark = pytest.mark.usefixtures("tiny_xs")


class Clips:
    """Small clips that differ by class: bright ones and dark ones."""

    def __init__(self, count=4, labels=("dark", "bright"), side=32):
        rng = np.random.default_rng(0)
        self.labels = LabelMap(labels)
        self.targets = [index % len(self.labels) for index in range(count)]
        self._clips = [
            torch.from_numpy(rng.integers(0, 60, (3, 4, side, side), np.uint8) + np.uint8(150 * (target > 0)))
            for target in self.targets
        ]

    def __len__(self):
        return len(self._clips)

    def __getitem__(self, index):
        return self._clips[index], self.targets[index]


def learner(kind=X3DLearner, **arguments):
    return kind(**{"backbone": "xs", "device": "cpu", "num_classes": 2, "batch_size": 2, **arguments})


@pytest.fixture
def settings_of(monkeypatch):
    """The settings that `fit` hands on, without training."""

    def run(subject, *given, **named):
        seen = []
        monkeypatch.setattr(fit_module, "fit", lambda *arguments: seen.append(arguments[3]))
        subject.fit(*given, **named)
        return seen[0]

    return run


def test_the_arguments_reach_the_training(settings_of, tmp_path):
    subject = learner(
        lr=0.5,
        iters=3,
        optimizer="sgd",
        lr_schedule="step",
        checkpoint_after_iter=5,
        checkpoint_load_iter=10,
        temp_path=str(tmp_path),
        weight_decay=0.25,
        momentum=0.5,
        drop_last=False,
        pin_memory=True,
        num_workers=2,
        seed=7,
    )
    found = settings_of(subject, Clips(), logging_path=tmp_path / "logs")
    expected = {
        "lr": 0.5,
        "epochs": 3,
        "steps": None,
        "batch_size": 2,
        "optimizer": "sgd",
        "lr_schedule": "step",
        "loss": "cross_entropy",
        "checkpoint_every_steps": 5,
        "resume_step": 10,
        "checkpoint_folder": str(tmp_path / "checkpoints" / "x3d_xs"),
        "weight_decay": 0.25,
        "momentum": 0.5,
        "drop_last": False,
        "pin_memory": True,
        "num_workers": 2,
        "seed": 7,
        "device": "cpu",
        "logging_path": str(tmp_path / "logs"),
    }
    assert {name: getattr(found, name) for name in expected} == expected


def test_epochs_default_to_iters_and_steps_are_the_number_of_all(settings_of):
    def limits(**named):
        found = settings_of(learner(iters=3), Clips(), **named)
        return found.epochs, found.steps

    assert limits() == (3, None)
    assert limits(epochs=5) == (5, None)
    assert limits(steps=7) == (None, 7)
    assert limits(epochs=5, steps=7) == (5, 7)
    for named in ({"epochs": 0}, {"steps": 0}):
        with pytest.raises(ConfigError, match="1 or more"):
            limits(**named)


def test_schedules_warm_up_over_a_twentieth_of_the_run_unless_told_otherwise(settings_of):
    subject = learner(lr_schedule="cosine")
    assert settings_of(subject, Clips(), steps=200).warmup_steps == 10
    assert settings_of(subject, Clips(8), epochs=20).warmup_steps == 4
    assert settings_of(subject, Clips(), steps=200, warmup_steps=3).warmup_steps == 3
    assert settings_of(learner(), Clips(), steps=200).warmup_steps == 0


def test_further_training_settings_can_be_given(settings_of):
    found = settings_of(learner(), Clips(), freeze="head", class_weights=True)
    assert (found.freeze, found.class_weights) == ("head", True)
    with pytest.raises(ConfigError, match="'frees'"):
        settings_of(learner(), Clips(), frees="head")


def test_where_checkpoints_go(settings_of):
    assert settings_of(learner(), Clips()).checkpoint_folder is None
    assert settings_of(learner(checkpoint_after_iter=1), Clips()).checkpoint_folder == "checkpoints/x3d_xs"
    assert settings_of(learner(CoX3DLearner, temp_path="t"), Clips()).checkpoint_folder == "t/checkpoints/cox3d_xs"


@pytest.mark.parametrize("kind", KINDS)
def test_fit_changes_the_weights_and_takes_the_labels(kind, tmp_path):
    subject = learner(kind)
    data = Clips()
    before = subject.model.head.projection.weight.clone()
    report = subject.fit(data, data, epochs=1, logging_path=tmp_path / "logs")
    assert (report.epochs, report.steps) == (1, 2)
    assert 0 <= report.best_accuracy <= 1
    assert not torch.equal(subject.model.head.projection.weight, before)
    assert list(subject.labels) == ["dark", "bright"]
    assert report.log_folder == str(tmp_path / "logs")
    assert any(path.is_file() for path in (tmp_path / "logs").rglob("*"))
    assert next(subject.model.parameters()).device.type == "cpu"
    assert not subject.model.training


def test_an_optimised_learner_runs_the_new_weights_after_training():
    subject = learner(lr=0.01)
    subject.optimize()
    clip = torch.zeros(3, 4, 160, 160, dtype=torch.uint8)
    before = subject.infer(clip)[0]
    subject.fit(Clips(), steps=2, logging_path=None, keep="last")
    after = subject.infer(clip)[0]
    assert after.description in ("dark", "bright")
    assert not np.array_equal(before.scores, after.scores)
    with torch.inference_mode():
        expected = subject.model((clip[None].float() / 255 - 0.45) / 0.225).softmax(dim=1).numpy()[0]
    assert after.scores == pytest.approx(expected, abs=1e-3)


def test_a_resumed_run_gives_the_same_weights_as_an_uninterrupted_one(tmp_path):
    def trained(folder, steps, load=0):
        subject = learner(temp_path=str(tmp_path / folder), checkpoint_after_iter=1, checkpoint_load_iter=load)
        report = subject.fit(Clips(), steps=steps, logging_path=None, keep="last")
        return subject, report

    whole, _ = trained("whole", 3)
    trained("parts", 1)
    resumed, report = trained("parts", 3, load=1)
    assert report.steps == 3
    weights = resumed.model.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in whole.model.state_dict().items())
    (checkpoint,) = (tmp_path / "whole").rglob("step_00000003.ckpt")
    loaded = X3DLearner(device="cpu").load(checkpoint)
    assert (loaded.spec, list(loaded.labels)) == (whole.spec, ["dark", "bright"])
    loaded = loaded.model.state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in whole.model.state_dict().items())


def test_a_checkpoint_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CheckpointError):
        learner(temp_path=str(tmp_path), checkpoint_load_iter=9).fit(Clips(), steps=10, logging_path=None)


@pytest.mark.parametrize("kind", KINDS)
def test_another_number_of_classes_is_an_error(kind):
    subject = learner(kind, num_classes=3)
    for method in (subject.fit, subject.eval):
        with pytest.raises(ConfigError, match="num_classes=2"):
            method(Clips())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [None, 5, "gestures", [(torch.zeros(3, 4, 32, 32), 0)]])
def test_other_objects_than_datasets_are_errors(kind, given):
    subject = learner(kind)
    for call in (subject.fit, subject.eval):
        with pytest.raises(DataError, match=f"{type(given).__name__} without .*'labels'.*FolderDataset"):
            call(given)
    if given is not None:
        with pytest.raises(DataError, match="the validation dataset"):
            subject.fit(Clips(), given)


def test_wrong_labels_are_an_error_before_training():
    data = Clips()
    data.labels = ["wave", "wave"]
    with pytest.raises(LabelError, match="unique"):
        learner().fit(data, steps=1, logging_path=None)


@pytest.mark.parametrize("steps", [0, 1.5, "all", True])
def test_a_wrong_number_of_batches_is_an_error(steps):
    with pytest.raises(ConfigError, match=r"steps is .*1 or more"):
        learner().eval(Clips(), steps=steps)


def test_data_without_clips_are_an_error():
    with pytest.raises(DataError, match="no clips"):
        learner().eval(Clips(count=0))


@pytest.mark.parametrize("kind", KINDS)
def test_eval_gives_accuracy_loss_top5_classes_and_confusion(kind):
    found = learner(kind).eval(Clips())
    assert set(found) >= {"accuracy", "loss", "top5", "per_class", "confusion"}
    confusion = np.array(found["confusion"])
    assert confusion.sum() == 4
    assert found["accuracy"] == confusion.trace() / 4
    assert set(found["per_class"]) == {"dark", "bright"}
    assert found["top5"] == 1.0


def test_steps_limits_the_batches_of_eval():
    assert np.array(learner().eval(Clips(), steps=1)["confusion"]).sum() == 2


def test_cox3d_is_evaluated_frame_by_frame_or_as_clips_on_request():
    subject = learner(CoX3DLearner)
    data = Clips(count=2)
    with torch.no_grad():
        subject.model.head.projection.weight.mul_(100)  # first weights make hardly a difference between clips
    as_clips, stepped = subject.eval(data, as_clips=True), subject.eval(data)
    twin = learner()
    twin.model.load_state_dict(subject.model.state_dict())
    assert as_clips["loss"] == pytest.approx(twin.eval(data)["loss"], abs=1e-5)
    clips = torch.stack([data[index][0] for index in range(2)])
    with torch.inference_mode():
        logits = step_over_clips(subject.model, standardized(clips, subject.spec))
    assert stepped["loss"] == pytest.approx(float(F.cross_entropy(logits, torch.tensor(data.targets))), abs=1e-5)
    assert abs(stepped["loss"] - as_clips["loss"]) > 1e-3


def test_eval_does_not_affect_a_stream():
    subject = learner(CoX3DLearner)
    frame = torch.zeros(3, 160, 160, dtype=torch.uint8)
    results = [subject.infer(frame) for _ in range(subject.spec.warm_up + 1)]
    subject.eval(Clips(count=2), steps=1)
    assert subject.warm
    assert results[-1]
    assert subject.infer(frame)
