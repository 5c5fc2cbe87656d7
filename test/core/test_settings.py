"""Settings declared as dataclass fields: checks, conversions, and what adapters read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Tuple

import numpy as np
import pytest

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting, settings_of


@dataclass(frozen=True)
class Example:
    epochs: Optional[int] = setting(10, "Passes over the data.", least=1)
    lr: float = setting(1e-3, "Learning rate.", above=0)
    momentum: float = setting(0.9, "Momentum.", least=0, below=1)
    gap: float = setting(2.0, "Longest gap.", unit="s", least=0.5, most=60)
    mode: str = setting("fast", "Mode.", choices=("fast", "exact"))
    names: Tuple[str, ...] = setting(("a",), "Names.")
    spin: bool = setting(False, "Whether to spin.")
    internal: int = field(default=3)

    def __post_init__(self):
        check(self)


def test_a_declaration_lists_its_settings_for_adapters():
    found = {item.name: item for item in settings_of(Example)}
    assert list(found) == ["epochs", "lr", "momentum", "gap", "mode", "names", "spin"]
    assert [item.kind for item in found.values()] == [int, float, float, float, str, str, bool]
    assert [name for name, item in found.items() if item.many] == ["names"]
    assert [name for name, item in found.items() if item.optional] == ["epochs"]
    assert [item.range for item in found.values()] == ["1 or more", "above 0", "0 to below 1", "0.5 to 60", "", "", ""]
    assert (found["gap"].default, found["gap"].unit, found["gap"].help) == (2.0, "s", "Longest gap.")
    assert Example.gap == 2.0


def test_values_are_stored_in_their_declared_types():
    example = Example(epochs=np.int64(3), lr=np.float32(0.5), gap=1, names=["b", "c"])
    assert (example.epochs, example.lr, example.gap, example.names) == (3, 0.5, 1.0, ("b", "c"))
    assert [type(value) for value in (example.epochs, example.lr, example.gap)] == [int, float, float]
    assert Example(epochs=None).epochs is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0, expected a whole number, 1 or more, or None"),
        ({"epochs": 2.5}, "epochs is 2.5, expected a whole number"),
        ({"epochs": True}, "epochs is True, expected a whole number"),
        ({"lr": 0}, "lr is 0, expected a number, above 0"),
        ({"lr": None}, "lr is None, expected a number"),
        ({"lr": float("nan")}, "lr is nan, expected a number"),
        ({"momentum": 1.0}, "momentum is 1.0, expected a number, 0 to below 1"),
        ({"gap": 61}, "gap is 61, expected a number, 0.5 to 60 s"),
        ({"gap": "1"}, "gap is '1', expected a number"),
        ({"mode": "slow"}, "mode is 'slow', expected one of ['fast', 'exact']"),
        ({"mode": 5}, "mode is 5, expected one of ['fast', 'exact']"),
        ({"names": "abc"}, "names is 'abc', expected a list, each item text"),
        ({"names": ("a", 5)}, "names is 5, expected a list, each item text"),
        ({"spin": 1}, "spin is 1, expected True or False"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_what_was_expected(values, message):
    with pytest.raises(ConfigError) as raised:
        Example(**values)
    assert message in str(raised.value)


def test_text_is_parsed_and_checked():
    found = {item.name: item for item in settings_of(Example)}
    assert [found[name].parse(text) for name, text in (("epochs", "3"), ("gap", "1.5"), ("names", "x"))] == [
        3,
        1.5,
        "x",
    ]
    for name, text in (("epochs", "3.5"), ("gap", "soon"), ("gap", "inf"), ("mode", "slow")):
        with pytest.raises(ConfigError, match=f"{name} is "):
            found[name].parse(text)
