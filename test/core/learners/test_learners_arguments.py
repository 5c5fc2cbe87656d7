"""Constructor arguments of the learners are OpenDR's; wrong values are errors that say what is allowed."""

from __future__ import annotations

import inspect
import warnings

import pytest

torch = pytest.importorskip("torch")

from opendr_har_core import CoX3DLearner, X3DLearner
from opendr_har_core.errors import ConfigError
from opendr_har_core.learners.arguments import STRUCTURAL

DOCUMENTED = {
    "lr": 1e-3,
    "iters": 10,
    "batch_size": 64,
    "optimizer": "adam",
    "lr_schedule": "",
    "backbone": "s",
    "network_head": "classification",
    "checkpoint_after_iter": 0,
    "checkpoint_load_iter": 0,
    "temp_path": "",
    "device": "cuda",
    "loss": "cross_entropy",
    "weight_decay": 1e-5,
    "momentum": 0.9,
    "drop_last": True,
    "pin_memory": False,
    "num_workers": 0,
    "seed": 123,
    "num_classes": 400,
}
WRONG = [
    ("lr", "fast", "expected a number"),
    ("iters", 0, "1 or more"),
    ("batch_size", 2.5, "whole number"),
    ("optimizer", "lion", r"\['adam', 'adamw', 'sgd'\]"),
    ("lr_schedule", "linear", r"\['', 'cosine', 'step', 'plateau'\]"),
    ("backbone", "xxl", r"\['xs', 's', 'm', 'l'\]"),
    ("network_head", "detection", r"\['classification'\]"),
    ("checkpoint_after_iter", -1, "0 or more"),
    ("checkpoint_load_iter", "last", "0 or more"),
    ("temp_path", 3, "expected text"),
    ("device", "tpu", r"\['cpu', 'cuda'\]"),
    ("loss", "mse", r"\['cross_entropy'\]"),
    ("weight_decay", -0.1, "0 or more"),
    ("momentum", 1.0, "below 1"),
    ("drop_last", "yes", "True or False"),
    ("pin_memory", 1, "True or False"),
    ("num_workers", -1, "0 or more"),
    ("seed", -1, "0 or more"),
    ("num_classes", 0, "1 or more"),
]


def signature(kind):
    parameters = inspect.signature(kind.__init__).parameters
    return {name: parameter.default for name, parameter in parameters.items() if name != "self"}


def test_x3d_has_the_documented_arguments_in_order_with_their_defaults():
    assert list(signature(X3DLearner).items()) == list(DOCUMENTED.items())


def test_cox3d_adds_the_window_and_the_lookahead():
    added = [("temporal_window_size", None), ("lookahead", None)]
    assert list(signature(CoX3DLearner).items()) == [*DOCUMENTED.items(), *added]


@pytest.mark.parametrize("kind", [X3DLearner, CoX3DLearner])
def test_methods_have_the_documented_arguments(kind):
    def names(method):
        return [name for name in inspect.signature(getattr(kind, method)).parameters if name != "self"]

    assert names("fit")[:5] == ["dataset", "val_dataset", "epochs", "steps", "logging_path"]
    assert names("eval")[:2] == ["dataset", "steps"]
    assert names("infer") == ["batch"]
    assert names("save") == ["path"]
    assert names("load")[0] == "path"
    assert names("optimize") == ["do_constant_folding"]
    assert names("download") == ["path", "model_names"]
    assert names("reset") == []
    assert inspect.signature(kind.download).parameters["model_names"].default == {"xs", "s", "m", "l"}
    assert inspect.signature(kind.optimize).parameters["do_constant_folding"].default is False


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_a_wrong_argument_is_an_error_that_says_what_is_allowed(name, value, allowed):
    with pytest.raises(ConfigError, match=f"{name} is .*{allowed}"):
        X3DLearner(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [("temporal_window_size", 0, "1 or more"), ("lookahead", "some", r"\['full', 'none'\], or None")],
)
def test_a_wrong_argument_of_cox3d_is_an_error(name, value, allowed):
    with pytest.raises(ConfigError, match=f"{name} is .*{allowed}"):
        CoX3DLearner(**{name: value})


def test_every_argument_is_an_attribute():
    values = {**DOCUMENTED, "backbone": "xs", "device": "cpu", "num_classes": 3, "lr": 0.5, "optimizer": "sgd"}
    learner = CoX3DLearner(**values, temporal_window_size=7, lookahead="none")
    assert {name: getattr(learner, name) for name in values} == values
    assert (learner.temporal_window_size, learner.lookahead) == (7, "none")


def test_training_arguments_can_be_assigned_and_are_checked():
    learner = X3DLearner(backbone="xs", device="cpu", num_classes=3)
    learner.lr = 0.01
    assert learner.lr == 0.01
    with pytest.raises(ConfigError, match="optimizer is 'lion'"):
        learner.optimizer = "lion"
    assert learner.optimizer == "adam"


@pytest.mark.parametrize("name", STRUCTURAL)
def test_structural_arguments_can_not_be_assigned(name):
    learner = X3DLearner(backbone="xs", device="cpu", num_classes=3)
    with pytest.raises(ConfigError, match=name):
        setattr(learner, name, 5)


@pytest.mark.parametrize(("backbone", "window"), [("xs", 4), ("s", 13), ("m", 16), ("l", 16)])
def test_the_window_is_by_default_the_clip_length_of_the_backbone(backbone, window):
    learner = CoX3DLearner(backbone=backbone, device="cpu", num_classes=2)
    assert (learner.temporal_window_size, learner.lookahead) == (window, "full")
    assert X3DLearner(backbone=backbone, device="cpu", num_classes=2).spec.window == window


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("kind", [X3DLearner, CoX3DLearner])
def test_without_a_gpu_cuda_falls_back_to_the_cpu_with_a_warning(kind):
    with pytest.warns(UserWarning, match="no GPU") as caught:
        learner = kind(backbone="xs", num_classes=3)
    assert learner.device == "cpu"
    assert caught[0].filename == __file__  # it points at the user's line
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(backbone="xs", num_classes=3, device="cpu")


def test_the_seed_defines_the_first_weights():
    one, same, other = (X3DLearner(backbone="xs", device="cpu", num_classes=3, seed=seed).model for seed in (5, 5, 1))
    weights = "head.projection.weight"
    assert torch.equal(one.state_dict()[weights], same.state_dict()[weights])
    assert not torch.equal(one.state_dict()[weights], other.state_dict()[weights])


def test_labels_are_kinetics_400_or_numbers_or_assigned():
    assert X3DLearner(backbone="xs", device="cpu").labels[5] == "archery"
    learner = X3DLearner(backbone="xs", device="cpu", num_classes=2)
    assert list(learner.labels) == ["class 0", "class 1"]
    learner.labels = ["wave", "jump"]
    assert list(learner.labels) == ["wave", "jump"]
    with pytest.raises(Exception, match="3 class names for a model of 2"):
        learner.labels = ["wave", "jump", "run"]
