"""Settings of training: wrong values are errors that say what is allowed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opendr_har_core.errors import ConfigError
from opendr_har_core.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "lion"}, r"optimizer is 'lion', expected one of \['adam', 'adamw', 'sgd'\]"),
        ({"lr_schedule": "linear"}, r"lr_schedule is 'linear', expected one of \['', 'cosine', 'step', 'plateau'\]"),
        ({"loss": "mse"}, r"loss is 'mse', expected one of \['cross_entropy'\]"),
        ({"freeze": "stem"}, r"freeze is 'stem', expected one of \['none', 'last_stage', 'head'\]"),
        ({"device": "tpu"}, r"device is 'tpu', expected one of \['cpu', 'cuda'\]"),
        ({"precision": "8"}, r"precision is '8', expected one of \['32-true'"),
        ({"keep": "all"}, r"keep is 'all', expected one of \['best', 'last'\]"),
        ({"lr": 0.0}, "lr is 0.0, expected a number, above 0"),
        ({"lr": float("nan")}, "lr is nan, expected a number"),
        ({"lr": "fast"}, "lr is 'fast', expected a number"),
        ({"epochs": 0}, "epochs is 0, expected a whole number, 1 or more, or None"),
        ({"epochs": 1.5}, "epochs is 1.5, expected a whole number"),
        ({"batch_size": True}, "batch_size is True, expected a whole number"),
        ({"momentum": 1.0}, "momentum is 1.0, expected a number, 0 to below 1"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0, expected a number, 0 or more"),
        ({"backbone_lr_factor": float("inf")}, "backbone_lr_factor is inf"),
        ({"num_workers": -1}, "num_workers is -1, expected a whole number, 0 or more"),
        ({"pin_memory": 1}, "pin_memory is 1, expected True or False"),
        ({"drop_last": None}, "drop_last is None, expected True or False"),
        ({"checkpoint_folder": 5}, "checkpoint_folder is 5, expected text, or None"),
        ({"logging_path": b"logs"}, "logging_path is b'logs', expected text, or None"),
        ({"epochs": None}, "epochs and steps are both None"),
        ({"resume_step": 5}, "resume_step is 5 but checkpoint_folder is not set"),
        ({"checkpoint_every_steps": 5}, "checkpoint_every_steps is 5 but checkpoint_folder is not set"),
    ],
)
def test_wrong_values_are_errors(values, message):
    with pytest.raises(ConfigError, match=message):
        TrainingSettings(**values)


def test_unknown_names_are_errors():
    with pytest.raises(ConfigError, match=r"no training settings \['learning_rate'\], expected some of \['epochs'"):
        TrainingSettings.from_dict({"learning_rate": 1})


def test_settings_survive_the_round_trip():
    settings = TrainingSettings(steps=7, optimizer="sgd", checkpoint_folder=Path("a") / "b", logging_path="logs")
    assert TrainingSettings.from_dict(settings.to_dict()) == settings
    assert json.loads(json.dumps(settings.to_dict()))["checkpoint_folder"] == str(Path("a") / "b")
