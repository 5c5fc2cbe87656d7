"""Constructor arguments of the learners, which are OpenDR's."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Mapping, Optional, Tuple

from opendr_har_core.networks.config import X3D_CONFIGS
from opendr_har_core.settings import check, setting
from opendr_har_core.spec import LOOKAHEADS
from opendr_har_core.training.settings import DEVICES, TrainingSettings

# These define the network; the others define its training and can be changed at any time.
STRUCTURAL = ("backbone", "network_head", "device", "num_classes", "temporal_window_size", "lookahead")
# These belong to one run on one machine: a saved model records them, but loading it keeps the learner's own.
OF_ONE_RUN = ("temp_path", "checkpoint_load_iter")
WARM_UP_SHARE = 20  # with a schedule, the first twentieth of the steps warms up


def _of_training(name: str) -> Any:
    """A field with the declaration and default of a training setting."""
    declared = TrainingSettings.__dataclass_fields__[name]
    return field(default=declared.default, metadata=declared.metadata)


@dataclass(frozen=True)
class LearnerArguments:
    """The arguments in OpenDR's order; raises ConfigError for a value that is not allowed.

    Those without a text here are settings of training, see `TrainingSettings`.
    """

    lr: float = _of_training("lr")
    iters: int = setting(10, "Epochs, unless `fit` is given another number.", least=1)
    batch_size: int = _of_training("batch_size")
    optimizer: str = _of_training("optimizer")
    lr_schedule: str = _of_training("lr_schedule")
    backbone: str = setting("s", "Size of the network.", choices=tuple(X3D_CONFIGS))
    network_head: str = setting("classification", "Task of the network.", choices=("classification",))
    checkpoint_after_iter: int = setting(0, "Steps between checkpoints; 0 writes none.", least=0)
    checkpoint_load_iter: int = setting(0, "Step whose checkpoint to resume from; 0 starts from scratch.", least=0)
    temp_path: str = setting(
        "",
        "Folder for checkpoints and exported graphs. Empty: the system's temporary folder for graphs, and the folder "
        "`checkpoints` if one of the two arguments above asks for checkpoints.",
    )
    device: str = setting("cuda", "Device; cuda falls back to the CPU, with a warning.", choices=DEVICES)
    loss: str = _of_training("loss")
    weight_decay: float = _of_training("weight_decay")
    momentum: float = _of_training("momentum")
    drop_last: bool = _of_training("drop_last")
    pin_memory: bool = _of_training("pin_memory")
    num_workers: int = _of_training("num_workers")
    seed: int = _of_training("seed")
    num_classes: int = setting(400, "Number of classes.", least=1)
    temporal_window_size: Optional[int] = setting(
        None, "Steps that a CoX3D averages over; None: that of the loaded model, or the clip length.", least=1
    )
    lookahead: Optional[str] = setting(
        None,
        "Of a CoX3D: 'full' waits for the future frames of each convolution, as in OpenDR; 'none' replaces them by "
        "zeros, so that results are about the newest frame and start with the first; None: that of the loaded model, "
        "or 'full'.",
        choices=LOOKAHEADS,
    )

    def __post_init__(self) -> None:
        if isinstance(self.temp_path, os.PathLike):
            object.__setattr__(self, "temp_path", os.fspath(self.temp_path))
        check(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> LearnerArguments:
        """The arguments among the local variables of a learner's constructor."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})

    def training(self, network: str, clips: int, options: Mapping[str, Any]) -> TrainingSettings:
        """Settings for training `network` on so many clips; `options` are further settings and take precedence."""
        values = {name: getattr(self, name) for name in TrainingSettings.__dataclass_fields__ if hasattr(self, name)}
        values.update(checkpoint_every_steps=self.checkpoint_after_iter, resume_step=self.checkpoint_load_iter)
        if self.temp_path or self.checkpoint_after_iter or self.checkpoint_load_iter:
            values["checkpoint_folder"] = str(Path(self.temp_path) / "checkpoints" / network)
        values.update(options)
        if values["epochs"] is None and values["steps"] is None:
            values["epochs"] = self.iters
        settings = TrainingSettings.from_dict(values)
        if settings.lr_schedule and "warmup_steps" not in options:
            steps = settings.steps or (settings.epochs or 0) * max(1, clips // settings.batch_size)
            settings = replace(settings, warmup_steps=steps // WARM_UP_SHARE)
        return settings

    def with_saved(self, saved: Mapping[str, Any]) -> LearnerArguments:
        """A copy with the training arguments that were saved with a model."""
        names = [name for name in changeable() if name in saved and name not in OF_ONE_RUN]
        return replace(self, **{name: saved[name] for name in names})

    def on_available_device(self) -> LearnerArguments:
        """A copy on the CPU if there is no GPU for `device` cuda."""
        import torch

        if self.device == "cpu" or torch.cuda.is_available():
            return self
        warnings.warn("there is no GPU that PyTorch can use, so the learner runs on the CPU", stacklevel=4)
        return replace(self, device="cpu")


def changeable() -> Tuple[str, ...]:
    """Names of the arguments that can be assigned on a learner."""
    return tuple(item.name for item in fields(LearnerArguments) if item.name not in STRUCTURAL)
