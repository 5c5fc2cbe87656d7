"""What a learner is made with: OpenDR's constructor arguments, checked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.config import X3D_CONFIGS
from opendr_har_core.spec import FULL, LOOKAHEADS
from opendr_har_core.training.settings import DEVICES, TrainingSettings

HEADS = ("classification",)
# Those that say what the network is; the others say how it is trained and may be changed at any time.
STRUCTURAL = ("backbone", "network_head", "device", "num_classes", "temporal_window_size", "lookahead")
# Belong to one run on one machine: a saved model records them for people, loading it leaves the learner's own.
OF_ONE_RUN = ("temp_path", "checkpoint_load_iter")
_SAME_IN_TRAINING = (
    "lr",
    "batch_size",
    "optimizer",
    "lr_schedule",
    "loss",
    "weight_decay",
    "momentum",
    "drop_last",
    "pin_memory",
    "num_workers",
    "seed",
)


class Unchosen(str):
    """A default that can be told from the same value given by the user."""


DEFAULT_BACKBONE, DEFAULT_LOOKAHEAD = Unchosen("s"), Unchosen(FULL)


@dataclass(frozen=True)
class LearnerArguments:
    """The arguments in OpenDR's order; raises ConfigError, naming what is allowed, for a value that is not.

    Attributes:
        lr: learning rate.
        iters: number of epochs, where `fit` is not told another one.
        batch_size: clips in a batch.
        optimizer: "adam", "adamw" or "sgd".
        lr_schedule: "" (constant), "cosine", "step" or "plateau".
        backbone: "xs", "s", "m" or "l".
        network_head: "classification".
        checkpoint_after_iter: write a checkpoint after every so many steps; 0 writes none.
        checkpoint_load_iter: go on from the checkpoint of that step; 0 starts anew.
        temp_path: folder for checkpoints and exported graphs; "" means the system's own for graphs, and `checkpoints`
            here where a checkpoint is asked for (by one of the two before), else none.
        device: "cuda", which falls back to the CPU with a warning where there is no GPU, or "cpu".
        loss: "cross_entropy".
        weight_decay, momentum: of the optimizer.
        drop_last: leave out the last batch of an epoch where it is not full.
        pin_memory, num_workers: of the data loader.
        seed: of the first weights and of the training.
        num_classes: classes to tell apart.
        temporal_window_size: steps that a CoX3D averages over; None means the clip length of the backbone.
        lookahead: of a CoX3D: "full" waits for the future frames that each convolution was trained with, as the paper
            and OpenDR do; "none" puts zeros in their place, so that results are about the newest frame and begin with
            the first.
    """

    lr: float = 1e-3
    iters: int = 10
    batch_size: int = 64
    optimizer: str = "adam"
    lr_schedule: str = ""
    backbone: str = DEFAULT_BACKBONE
    network_head: str = "classification"
    checkpoint_after_iter: int = 0
    checkpoint_load_iter: int = 0
    temp_path: str = ""
    device: str = "cuda"
    loss: str = "cross_entropy"
    weight_decay: float = 1e-5
    momentum: float = 0.9
    drop_last: bool = True
    pin_memory: bool = False
    num_workers: int = 0
    seed: int = 123
    num_classes: int = 400
    temporal_window_size: Optional[int] = None
    lookahead: str = DEFAULT_LOOKAHEAD

    def __post_init__(self) -> None:
        for name, allowed in (
            ("backbone", tuple(X3D_CONFIGS)),
            ("network_head", HEADS),
            ("device", DEVICES),
            ("lookahead", LOOKAHEADS),
        ):
            _one_of(name, getattr(self, name), allowed)
        for name in ("drop_last", "pin_memory"):
            _one_of(name, getattr(self, name), (True, False))
        for name in ("iters", "num_classes"):
            whole_number(name, getattr(self, name), 1)
        for name in ("checkpoint_after_iter", "checkpoint_load_iter"):
            whole_number(name, getattr(self, name), 0)
        if self.temporal_window_size is not None:
            whole_number("temporal_window_size", self.temporal_window_size, 1)
        if not isinstance(self.temp_path, (str, Path)):
            raise ConfigError(f"temp_path is {self.temp_path!r}, expected the path of a folder, or '' for none")
        TrainingSettings(epochs=self.iters, device=self.device, **self._shared())

    def chosen(self) -> Dict[str, Any]:
        """The arguments that say what the network is, as far as they were given."""
        values = {name: getattr(self, name) for name in ("backbone", "temporal_window_size", "lookahead")}
        return {name: value for name, value in values.items() if not (value is None or isinstance(value, Unchosen))}

    def training(
        self, checkpoint_folder: Optional[str], logging_path: Optional[str], options: Dict[str, Any]
    ) -> TrainingSettings:
        """Settings for one training run; `options` are further fields of TrainingSettings and go before all others."""
        values = {
            "epochs": self.iters,
            "device": self.device,
            "checkpoint_every_steps": self.checkpoint_after_iter,
            "resume_step": self.checkpoint_load_iter,
            "checkpoint_folder": checkpoint_folder,
            "logging_path": logging_path,
            **self._shared(),
            **options,
        }
        return TrainingSettings.from_dict(values)

    def with_saved(self, saved: Mapping[str, Any]) -> LearnerArguments:
        """The same, with the training arguments that were saved with a model."""
        names = [name for name in changeable() if name in saved and name not in OF_ONE_RUN]
        return replace(self, **{name: saved[name] for name in names})

    def on_available_device(self) -> LearnerArguments:
        """The same, on the CPU where a GPU is asked for and there is none."""
        import torch

        if self.device == "cpu" or torch.cuda.is_available():
            return self
        warnings.warn("there is no GPU that PyTorch can use, so the learner runs on the CPU", stacklevel=4)
        return replace(self, device="cpu")

    def _shared(self) -> Dict[str, Any]:
        return {name: getattr(self, name) for name in _SAME_IN_TRAINING}


def changeable() -> Tuple[str, ...]:
    """Names of the arguments that may be assigned on a learner."""
    return tuple(field.name for field in fields(LearnerArguments) if field.name not in STRUCTURAL)


def _one_of(name: str, value: Any, allowed: Tuple[Any, ...]) -> None:
    if not any(value == choice and isinstance(value, type(choice)) for choice in allowed):
        raise ConfigError(f"{name} is {value!r}, expected one of {list(allowed)}")


def whole_number(name: str, value: Any, least: int) -> None:
    """Raises ConfigError unless `value` is an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}, expected a whole number, {least} or more")
