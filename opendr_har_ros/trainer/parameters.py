"""The trainer's parameters: the table, and the job that they describe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import CLIP, CONTINUAL, LOOKAHEADS, TRAINING_LOOKAHEAD
from opendr_har_ros.common.parameters import Parameter, check_values

CONSTANT = "constant"
MANY = 1_000_000_000

# Taken when a job starts; a change while one runs is for the next.
TRAINER: Tuple[Parameter, ...] = (
    Parameter("data", "", "Folder with a folder of videos per class, or a CSV path,start,end,label. Needed."),
    Parameter("val", "", "The same, of videos to validate with after each epoch; empty: none."),
    Parameter("labels", "", "CSV id,name of the classes; needed if data is a CSV, else empty: the folders' names."),
    Parameter("base", "", "Pretrained weights, .pth, .pyth or .ckpt; empty: random ones."),
    Parameter("network", CONTINUAL, "What the bundle runs: frame by frame, or on clips.", choices=(CONTINUAL, CLIP)),
    Parameter("size", "s", "Size of the network: that of its base, if it has one.", choices=("xs", "s", "m", "l")),
    Parameter("window", 0, "Steps that cox3d averages over; 0: as many as a clip has frames.", bounds=(0, 10_000)),
    Parameter(
        "lookahead",
        TRAINING_LOOKAHEAD,
        "'full': cox3d waits for later frames, so that labels are late; 'none': they are about the newest frame.",
        choices=LOOKAHEADS,
    ),
    Parameter("output", "", "Bundle to write, a file named *.onnx in a folder that exists. Needed."),
    Parameter("checkpoint_folder", "", "Folder of best.ckpt and last.ckpt; empty: <output>_checkpoints."),
    Parameter("resume", False, "Whether to go on from last.ckpt in the checkpoint folder, where there is one."),
    Parameter("epochs", 10, "Passes over the data, also those before a resume.", bounds=(1, MANY)),
    Parameter("steps", 0, "Updates of the weights, also those before a resume; 0: as epochs says.", bounds=(0, MANY)),
    Parameter("batch_size", 16, "Clips that make one update of the weights.", bounds=(1, 65_536)),
    Parameter("lr", 1e-3, "Peak learning rate of the classifier.", bounds=(1e-9, 100)),
    Parameter("backbone_lr_factor", 1.0, "Share of lr for all layers but the classifier.", bounds=(0, 1000)),
    Parameter("optimizer", "adam", "How the weights are updated.", choices=("adam", "adamw", "sgd")),
    Parameter("lr_schedule", CONSTANT, "How the learning rate falls.", choices=(CONSTANT, "cosine", "step", "plateau")),
    Parameter("warmup_steps", 0, "Updates over which the learning rate rises.", bounds=(0, MANY)),
    Parameter("weight_decay", 1e-5, "Weight decay of the optimizer.", bounds=(0, 100)),
    Parameter("label_smoothing", 0.0, "Share of the target that is spread over all classes.", bounds=(0, 0.999)),
    Parameter(
        "freeze",
        "none",
        "'last_stage': only that and the head learn; 'head': only the classifier.",
        choices=("none", "last_stage", "head"),
    ),
    Parameter("freeze_batch_norm", False, "Whether running statistics are kept, for batches under 16 clips or so."),
    Parameter("class_weights", False, "Whether rare classes weigh more."),
    Parameter("keep", "best", "Which epoch's weights are exported.", choices=("best", "last")),
    Parameter(
        "early_stopping_patience", 0, "End after so many epochs without a lower loss; 0: never.", bounds=(0, MANY)
    ),
    Parameter("checkpoint_every_steps", 0, "Write a checkpoint every so many updates; 0: per epoch.", bounds=(0, MANY)),
    Parameter("seed", 123, "The same seed gives the same result.", bounds=(0, 2**31 - 1)),
    Parameter("num_workers", 0, "Processes that decode videos beside; 0: none.", bounds=(0, 256)),
    Parameter("cache", "", "Folder that keeps decoded frames from epoch to epoch; empty: none."),
    Parameter("device", "cpu", "Where to train; 'cuda' falls back to the CPU.", choices=("cpu", "cuda")),
    Parameter(
        "extra", [""], "Further options of opendr-har train, one word each, such as ['--precision', 'bf16-mixed']."
    ),
    Parameter("threads", 0, "Threads of the CPU that training uses; 0: all.", bounds=(0, 256)),
    Parameter("nice", 10, "How far training gives way to other processes on the CPU.", bounds=(0, 19)),
    Parameter(
        "cancel_grace_sec",
        60.0,
        "Time, in seconds, for the update under way and the last checkpoint before a cancelled job is killed.",
        bounds=(0.1, 3600),
    ),
)

OF_THE_NODE = ("resume", "checkpoint_folder", "extra", "threads", "nice", "cancel_grace_sec")
PATHS = ("data", "val", "labels", "base", "output", "cache")
INPUTS = ("data", "val", "labels", "base")
# The command takes these as absent, not as zero.
ABSENT_AT_ZERO = ("window", "steps")


@dataclass(frozen=True)
class JobSettings:
    """A training job.

    Attributes:
        arguments: the command line behind `opendr-har train`.
        output, checkpoint_folder: absolute paths of what it writes.
        nice, threads, grace_sec: as the parameters say; `threads` is None for all.
    """

    arguments: Tuple[str, ...]
    output: str
    checkpoint_folder: str
    nice: int
    threads: Optional[int]
    grace_sec: float

    @classmethod
    def from_values(cls, values: Dict[str, Any]) -> JobSettings:
        """The job of parameter values; raises ConfigError for one that is missing, wrong or names nothing on disk."""
        check_values(TRAINER, values)
        values = {**values, **{name: _absolute(values[name]) for name in PATHS}}
        _check_files(values)
        output = Path(values["output"])
        folder = _absolute(values["checkpoint_folder"]) or str(output.with_name(f"{output.stem}_checkpoints"))
        if values["network"] == CLIP:  # it has no lookahead to choose
            values["lookahead"] = ""
        arguments = [part for parameter in TRAINER for part in _flag(parameter.name, values[parameter.name])]
        arguments += [f"--checkpoint-folder={folder}", *(["--resume"] if values["resume"] else [])]
        arguments += [word for word in values["extra"] if word]
        return cls(
            tuple(arguments),
            str(output),
            folder,
            values["nice"],
            values["threads"] or None,
            values["cancel_grace_sec"],
        )


def _flag(name: str, value: Any) -> List[str]:
    """The option of the same name; nothing for what is left at 'none'."""
    absent = name in OF_THE_NODE or value == "" or (name in ABSENT_AT_ZERO and value == 0) or value is False
    if absent or value == CONSTANT:
        return []
    flag = "--" + name.replace("_", "-")
    return [flag] if value is True else [f"{flag}={value}"]


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def _check_files(values: Dict[str, Any]) -> None:
    for name in ("data", "output"):
        if not values[name]:
            raise ConfigError(f"parameter {name} is empty; it says {_description(name)}")
    for name in INPUTS:
        if values[name] and not Path(values[name]).exists():
            raise ConfigError(f"parameter {name} is {values[name]}, but there is no such file or folder")
    output = Path(values["output"])
    if output.suffix != ".onnx":
        raise ConfigError(f"parameter output is {output}, expected a file named *.onnx")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"parameter output is {output}, but {output.parent} is no folder that can be written")


def _description(name: str) -> str:
    (description,) = (parameter.description for parameter in TRAINER if parameter.name == name)
    return description
