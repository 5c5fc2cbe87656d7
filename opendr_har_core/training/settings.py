"""What a training run is told to do."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, Mapping, Optional, Tuple

from opendr_har_core.errors import ConfigError

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("", "cosine", "step", "plateau")
LOSSES = ("cross_entropy",)
FREEZES = ("none", "last_stage", "head")
DEVICES = ("cpu", "cuda")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
KEEPS = ("best", "last")

_CHOICES: Mapping[str, Tuple[str, ...]] = {
    "optimizer": OPTIMIZERS,
    "lr_schedule": SCHEDULES,
    "loss": LOSSES,
    "freeze": FREEZES,
    "device": DEVICES,
    "precision": PRECISIONS,
    "keep": KEEPS,
}
_AT_LEAST_ONE = ("batch_size", "accumulate", "devices", "num_nodes")
_AT_LEAST_ZERO = (
    "warmup_steps",
    "momentum",
    "weight_decay",
    "backbone_lr_factor",
    "label_smoothing",
    "early_stopping_patience",
    "checkpoint_every_steps",
    "resume_step",
    "num_workers",
    "seed",
)
_BELOW_ONE = ("momentum", "label_smoothing")
_WHOLE = (
    *_AT_LEAST_ONE,
    "epochs",
    "steps",
    "warmup_steps",
    "early_stopping_patience",
    "checkpoint_every_steps",
    "resume_step",
    "num_workers",
    "seed",
)
_SWITCHES = ("freeze_batch_norm", "class_weights", "pin_memory", "drop_last", "channels_last", "progress_bar")
_FOLDERS = ("checkpoint_folder", "logging_path")


@dataclass(frozen=True)
class TrainingSettings:
    """All choices of a training run; plain values only. Raises ConfigError for a value that is not allowed.

    Attributes:
        epochs, steps: training ends after so many passes over the data, and after so many updates of the weights in
            all (also those before a resume), whichever comes first; None means no limit, for one of the two.
        batch_size: clips that one process takes at a time.
        accumulate: batches whose gradients make one update.
        lr: peak learning rate of the classifier; all other layers have `backbone_lr_factor` times that.
        optimizer: "adam", "adamw" or "sgd" (with Nesterov's `momentum`, which only it uses).
        lr_schedule: "" (constant), "cosine" (to zero), "step" (a tenth after half, a hundredth after three quarters
            of the run) or "plateau" (a tenth whenever two epochs brought no lower loss).
        warmup_steps: updates over which the learning rate rises from zero.
        freeze: "none"; "last_stage" (only the last stage and the head are trained) or "head" (only its classifier).
        freeze_batch_norm: keep the running statistics of the layers that are trained, too; for batches too small to
            estimate them. Those of frozen layers are always kept.
        class_weights: weigh the loss by the inverse frequency of the classes.
        keep: the weights that the network has afterwards: those of the "best" epoch (by accuracy on the validation
            data, then by loss; by training loss without such data), or the "last" ones.
        early_stopping_patience: stop after so many epochs in a row without a lower loss; 0 never does.
        checkpoint_folder: where `best.ckpt`, `last.ckpt` and, every `checkpoint_every_steps` updates,
            `step_<number>.ckpt` are written; None writes none.
        resume_step: go on from the checkpoint of that step in `checkpoint_folder`; 0 starts anew.
        drop_last: leave out the last batch of an epoch where it is not full (never the only one).
        seed: the same seed gives the same result, whatever the number of workers.
        device: "cuda" falls back to the CPU, with a warning, where there is no GPU.
        devices, num_nodes: processes on this machine (torchrun's own number goes before), and machines.
        strategy: how Lightning spreads the work over them.
        channels_last: on a GPU, keep tensors in the layout that tensor cores like; CPUs always get it.
        logging_path: folder for TensorBoard and CSV logs; None writes none. Path objects are kept as strings.
    """

    epochs: Optional[int] = 10
    steps: Optional[int] = None
    batch_size: int = 64
    lr: float = 1e-3
    optimizer: str = "adam"
    lr_schedule: str = ""
    warmup_steps: int = 0
    momentum: float = 0.9
    weight_decay: float = 1e-5
    loss: str = "cross_entropy"
    freeze: str = "none"
    freeze_batch_norm: bool = False
    backbone_lr_factor: float = 1.0
    class_weights: bool = False
    label_smoothing: float = 0.0
    accumulate: int = 1
    precision: str = "32-true"
    keep: str = "best"
    early_stopping_patience: int = 0
    checkpoint_every_steps: int = 0
    checkpoint_folder: Optional[str] = None
    resume_step: int = 0
    num_workers: int = 0
    pin_memory: bool = False
    drop_last: bool = True
    seed: int = 123
    device: str = "cpu"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    channels_last: bool = False
    logging_path: Optional[str] = None
    progress_bar: bool = False

    def __post_init__(self) -> None:
        self._check_kinds()
        for name in ("lr", "epochs", "steps", *_AT_LEAST_ONE, *_AT_LEAST_ZERO):
            if getattr(self, name) is not None or name not in ("epochs", "steps"):
                _check_number(name, getattr(self, name))
        self._check_ranges()
        self._check_together()

    def _check_kinds(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected one of {list(allowed)}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected True or False")
        for name in _FOLDERS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _folder(name, getattr(self, name)))
        if not isinstance(self.strategy, str):
            raise ConfigError(f"strategy is {self.strategy!r}, expected a name that Lightning knows, such as 'auto'")

    def _check_ranges(self) -> None:
        for name in ("epochs", "steps", *_AT_LEAST_ONE):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value!r}, expected one or more")
        for name in _AT_LEAST_ZERO:
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected zero or more")
        for name in _BELOW_ONE:
            if getattr(self, name) >= 1:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected less than one")
        for name in _WHOLE:
            value = getattr(self, name)
            if value is not None and value != int(value):
                raise ConfigError(f"{name} is {value!r}, expected a whole number")
        if self.lr <= 0:
            raise ConfigError(f"lr is {self.lr!r}, expected a number above zero")

    def _check_together(self) -> None:
        if self.epochs is None and self.steps is None:
            raise ConfigError("epochs and steps are both None, so training would never end; give one of them")
        for name in ("checkpoint_every_steps", "resume_step"):
            if getattr(self, name) and not self.checkpoint_folder:
                raise ConfigError(f"{name} is {getattr(self, name)} but checkpoint_folder is not set; say where")

    def to_dict(self) -> Dict[str, Any]:
        """The settings as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingSettings:
        """Settings from names and values; raises ConfigError for a name that is none of theirs."""
        known = [field.name for field in fields(cls)]
        strays = sorted(set(values) - set(known))
        if strays:
            raise ConfigError(f"there are no training settings {strays}, expected some of {known}")
        return cls(**values)


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} is {value!r}, expected a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} is {value!r}, expected a finite number")


def _folder(name: str, value: Any) -> str:
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise ConfigError(f"{name} is {value!r}, expected the path of a folder, or None for none")
    return path
