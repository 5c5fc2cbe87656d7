"""`fit` and `eval` of the learners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

import torch.nn.functional as F

from opendr_har_core import CoX3DLearner, LabelMap, X3DLearner
from opendr_har_core.errors import ConfigError, DataError
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


ARGUMENTS = {
    "lr": 0.5,
    "optimizer": "sgd",
    "lr_schedule": "step",
    "weight_decay": 0.25,
    "momentum": 0.5,
    "drop_last": False,
    "pin_memory": True,
    "num_workers": 2,
    "seed": 7,
}


@pytest.mark.parametrize(
    ("arguments", "named", "expected"),
    [
        (ARGUMENTS, {}, {**ARGUMENTS, "batch_size": 2, "loss": "cross_entropy", "device": "cpu"}),
        ({"iters": 3}, {}, {"epochs": 3, "steps": None, "checkpoint_folder": None, "warmup_steps": 0}),
        ({"iters": 3}, {"epochs": 5, "steps": 7}, {"epochs": 5, "steps": 7}),
        ({"iters": 3}, {"steps": 7}, {"epochs": None, "steps": 7}),
        (
            {"checkpoint_after_iter": 5, "checkpoint_load_iter": 10, "temp_path": "t"},
            {"logging_path": Path("logs")},
            {
                "checkpoint_every_steps": 5,
                "resume_step": 10,
                "checkpoint_folder": "t/checkpoints/x3d_xs",
                "logging_path": "logs",
            },
        ),
        ({"checkpoint_after_iter": 1}, {}, {"checkpoint_folder": "checkpoints/x3d_xs"}),
        ({"lr_schedule": "cosine"}, {"steps": 200}, {"warmup_steps": 10}),  # a twentieth
        ({"lr_schedule": "cosine"}, {"epochs": 20}, {"warmup_steps": 2}),
        ({"lr_schedule": "cosine"}, {"steps": 200, "warmup_steps": 3}, {"warmup_steps": 3}),
        ({}, {"freeze": "head", "class_weights": True}, {"freeze": "head", "class_weights": True}),
    ],
)
def test_arguments_and_options_become_training_settings(settings_of, arguments, named, expected):
    found = settings_of(learner(**arguments), Clips(), **named)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(("named", "message"), [({"epochs": 0}, "1 or more"), ({"frees": "head"}, "'frees'")])
def test_wrong_options_of_fit_are_errors(settings_of, named, message):
    with pytest.raises(ConfigError, match=message):
        settings_of(learner(), Clips(), **named)


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
    clip = torch.zeros(3, 4, 32, 32, dtype=torch.uint8)  # of the network's size, so that nothing is resized
    before = subject.infer(clip)[0]
    subject.fit(Clips(), steps=2, logging_path=None, keep="last")
    after = subject.infer(clip)[0]
    assert after.description in ("dark", "bright")
    assert not np.array_equal(before.scores, after.scores)
    with torch.inference_mode():
        expected = subject.model((clip[None].float() / 255 - 0.45) / 0.225).softmax(dim=1).numpy()[0]
    assert after.scores == pytest.approx(expected, abs=1e-4)


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [None, [(torch.zeros(3, 4, 32, 32), 0)]])
def test_other_objects_than_datasets_are_errors(kind, given):
    subject = learner(kind)
    for call in (subject.fit, subject.eval):
        with pytest.raises(ConfigError, match="num_classes=3"):
            call(Clips(labels=("dark", "grey", "bright")))
        with pytest.raises(DataError, match=f"{type(given).__name__} without .*'labels'.*FolderDataset"):
            call(given)
    if given is not None:
        with pytest.raises(DataError, match="the validation dataset"):
            subject.fit(Clips(), given)


@pytest.mark.parametrize("steps", [0, 1.5, "all", True])
def test_a_wrong_number_of_batches_is_an_error(steps):
    with pytest.raises(ConfigError, match=r"steps is .*1 or more"):
        learner().eval(Clips(), steps=steps)


@pytest.mark.parametrize("kind", KINDS)
def test_eval_gives_accuracy_loss_top5_classes_and_confusion(kind):
    assert learner(kind).eval(Clips(), steps=1)["count"] == 2
    found = learner(kind).eval(Clips())
    assert set(found) >= {"accuracy", "loss", "top5", "per_class", "confusion"}
    confusion = np.array(found["confusion"])
    assert confusion.sum() == 4
    assert found["accuracy"] == confusion.trace() / 4
    assert set(found["per_class"]) == {"dark", "bright"}
    assert found["top5"] == 1.0


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
