"""The trainer's parameters, and the job that they describe."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting
from opendr_har_core.spec import CLIP, CONTINUAL, LOOKAHEADS, TRAINING_LOOKAHEAD
from opendr_har_core.training.settings import TrainingSettings
from opendr_har_ros.common.parameters import Parameters

CONSTANT = "constant"


def _shared(name: str) -> Any:
    """The setting of this name in TrainingSettings."""
    (found,) = (item for item in fields(TrainingSettings) if item.name == name)
    return field(default=found.default, metadata=found.metadata)


@dataclass(frozen=True)
class TrainerSettings:
    """The arguments of `opendr-har train`, and how its process runs. Raises ConfigError."""

    data: str = setting("", "Folder with a folder of videos per class, or a CSV path,start,end,label. Required.")
    val: str = setting("", "The same for validation after each epoch; empty: no validation.")
    labels: str = setting("", "CSV id,name of the classes; required if data is a CSV, else empty: the folders' names.")
    base: str = setting("", "Pretrained weights (.pth, .pyth or .ckpt); empty: random weights.")
    network: str = setting(
        CONTINUAL, "Network of the bundle: cox3d works frame by frame, x3d on clips.", choices=(CONTINUAL, CLIP)
    )
    size: str = setting("s", "Size of the network; it must match that of base.", choices=("xs", "s", "m", "l"))
    window: int = setting(0, "Steps that cox3d averages over; 0: the length of a clip.", least=0, most=10_000)
    lookahead: str = setting(
        TRAINING_LOOKAHEAD,
        "'full': cox3d waits for later frames, so its labels are delayed; 'none': its labels are about the newest "
        "frame.",
        choices=LOOKAHEADS,
    )
    output: str = setting("", "Bundle to write: a file *.onnx in an existing folder. Required.")
    checkpoint_folder: str = setting("", "Folder of best.ckpt and last.ckpt; empty: <output>_checkpoints.")
    resume: bool = setting(False, "Continue from last.ckpt in the checkpoint folder, if it exists.")
    epochs: int = setting(10, "Passes over the data, including those before a resume.", least=1)
    steps: int = setting(0, "Weight updates, including those before a resume; 0: no limit but epochs.", least=0)
    batch_size: int = setting(16, "Clips per weight update.", least=1, most=65_536)
    lr: float = _shared("lr")
    backbone_lr_factor: float = _shared("backbone_lr_factor")
    optimizer: str = _shared("optimizer")
    lr_schedule: str = setting(CONSTANT, "Learning rate schedule.", choices=(CONSTANT, "cosine", "step", "plateau"))
    warmup_steps: int = _shared("warmup_steps")
    weight_decay: float = _shared("weight_decay")
    label_smoothing: float = _shared("label_smoothing")
    freeze: str = _shared("freeze")
    freeze_batch_norm: bool = _shared("freeze_batch_norm")
    class_weights: bool = _shared("class_weights")
    keep: str = _shared("keep")
    early_stopping_patience: int = _shared("early_stopping_patience")
    checkpoint_every_steps: int = _shared("checkpoint_every_steps")
    seed: int = _shared("seed")
    num_workers: int = _shared("num_workers")
    cache: str = setting("", "Folder that keeps decoded frames between epochs; empty: none.")
    device: str = _shared("device")
    extra: Tuple[str, ...] = setting(
        (), "Further options of opendr-har train, one word each, such as ['--precision', 'bf16-mixed']."
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


# A job takes the values of its start; later changes apply to the next job.
TRAINER = Parameters((TrainerSettings,))

OF_THE_NODE = ("resume", "checkpoint_folder", "extra", "threads", "nice", "cancel_grace_sec")
INPUTS = ("data", "val", "labels", "base")
PATHS = (*INPUTS, "output", "cache")
# Zero means that the option is left out.
OMITTED_AT_ZERO = ("window", "steps")


@dataclass(frozen=True)
class JobSettings:
    """A training job.

    Attributes:
        arguments: the command line after `opendr-har train`.
        output, checkpoint_folder: absolute paths of what it writes.
        nice, threads, grace_sec: as in the parameters; `threads` is None for all cores.
    """

    arguments: Tuple[str, ...]
    output: str
    checkpoint_folder: str
    nice: int
    threads: Optional[int]
    grace_sec: float

    @classmethod
    def from_values(cls, values: Dict[str, Any]) -> JobSettings:
        """The job of parameter values; raises ConfigError for an invalid value or a file that does not exist."""
        (settings,) = TRAINER.instances(values)
        settings = replace(settings, **{name: _absolute(getattr(settings, name)) for name in PATHS})
        _check_files(settings)
        output = Path(settings.output)
        folder = _absolute(settings.checkpoint_folder) or str(output.with_name(f"{output.stem}_checkpoints"))
        skipped = (*OF_THE_NODE, *(["lookahead"] if settings.network == CLIP else []))
        names = [item.name for item in fields(settings) if item.name not in skipped]
        arguments = [part for name in names for part in _flag(name, getattr(settings, name))]
        arguments += [f"--checkpoint-folder={folder}", *(["--resume"] if settings.resume else [])]
        arguments += [word for word in settings.extra if word]
        return cls(
            tuple(arguments), str(output), folder, settings.nice, settings.threads or None, settings.cancel_grace_sec
        )


def _flag(name: str, value: Any) -> List[str]:
    """The option of the same name, or nothing for a value that means its absence."""
    if value in ("", CONSTANT) or value is False or (name in OMITTED_AT_ZERO and value == 0):
        return []
    flag = "--" + name.replace("_", "-")
    return [flag] if value is True else [f"{flag}={value}"]


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def _check_files(settings: TrainerSettings) -> None:
    for name in ("data", "output"):
        if not getattr(settings, name):
            raise ConfigError(f"parameter {name} is empty, but a job requires it")
    for name in INPUTS:
        path = getattr(settings, name)
        if path and not Path(path).exists():
            raise ConfigError(f"parameter {name} is {path}, but there is no such file or folder")
    output = Path(settings.output)
    if output.suffix != ".onnx":
        raise ConfigError(f"parameter output is {output}, expected a file named *.onnx")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"parameter output is {output}, but {output.parent} is not a writable folder")
