"""The trainer's parameters, and the command line of a goal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, List, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting
from opendr_har_ros.common.parameters import Parameters, local_path


@dataclass(frozen=True)
class TrainerSettings:
    """How training processes run. Raises ConfigError."""

    defaults: Tuple[str, ...] = setting(
        ("batch_size=16",),
        "Options of opendr-har train for every goal, each as NAME=VALUE; the goal's own settings take precedence.",
    )
    threads: int = setting(0, "CPU threads of PyTorch; 0: all cores.", least=0, most=256)
    nice: int = setting(10, "Niceness of the training process.", least=0, most=19)
    cancel_grace_sec: float = setting(
        60.0,
        "Time for the current update and the last checkpoint before a cancelled job is killed.",
        unit="s",
        least=0.1,
        most=3600,
    )

    def __post_init__(self) -> None:
        check(self)
        for text in self.defaults:
            list(_words(text))


TRAINER = Parameters((TrainerSettings,))


def command_line(goal: Any, defaults: Tuple[str, ...]) -> List[str]:
    """The arguments of `opendr-har train` for a TrainModel goal; raises ConfigError for invalid settings.

    The command itself checks names, values and files.
    """
    own = {"data": goal.data, "base": goal.base, "output": goal.output, "epochs": str(goal.epochs or "")}
    texts = [*defaults, *(f"{name}={value}" for name, value in own.items() if value), *goal.settings]
    return [word for text in texts for word in _words(text)]


def _words(text: str) -> Iterator[str]:
    """An option and its value in one word; true stands for an option without a value, false for its absence."""
    name, equals, value = text.partition("=")
    if not text:  # the only way to give an empty list
        return
    if not equals or not name.isidentifier():
        raise ConfigError(f"the setting {text!r} is invalid, expected NAME=VALUE, such as 'freeze=last_stage'")
    option = f"--{name.replace('_', '-')}"
    if value != "false":
        yield option if value == "true" else f"{option}={local_path(value)}"
