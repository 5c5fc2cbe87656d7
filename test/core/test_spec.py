"""Model specs: derived values and refused ones."""

from __future__ import annotations

import dataclasses
import json

import pytest

from opendr_har_core.errors import ConfigError, ModelError
from opendr_har_core.spec import ModelSpec

SPEC = ModelSpec("cox3d", "s", image_size=160, window=13, stride=6, warm_up=40, num_classes=400)


def test_the_period_is_the_one_of_training():
    assert SPEC.period_ns == 200_000_000
    assert dataclasses.replace(SPEC, stride=5).period_ns == 166_666_667
    assert dataclasses.replace(SPEC, train_fps=25.0).period_ns == 240_000_000


def test_a_spec_survives_json():
    assert ModelSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "resnet"),
        ("size", "s\x1b[2J"),
        ("size", "\ud800"),
        ("image_size", 0),
        ("window", -1),
        ("train_fps", 0.0),
        ("warm_up", -1),
        ("num_classes", 0),
        ("std", (0.2, 0.0, 0.2)),
        ("mean", (0.4,)),
    ],
)
def test_invalid_values_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        dataclasses.replace(SPEC, **{field: value})


@pytest.mark.parametrize(
    "change", [{"window": None}, {"window": "13"}, {"window": 1.5}, {"window": True}, {"extra": 1}, {"mean": "abc"}]
)
def test_metadata_with_wrong_fields_is_refused(change):
    with pytest.raises(ModelError):
        ModelSpec.from_dict({**SPEC.to_dict(), **change})
