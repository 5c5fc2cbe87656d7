"""Settings of a training run."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, Mapping, Optional

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class TrainingSettings:
    """All settings of a training run, as plain values; raises ConfigError for a value that is not allowed.

    Flags of `opendr-har train`, parameters of the trainer node and the table in docs/training.md have the same names,
    defaults and texts.
    """

    epochs: Optional[int] = setting(10, "Passes over the data; None: as many as steps needs.", least=1)
    steps: Optional[int] = setting(None, "Updates of the weights in all, including those before a resume.", least=1)
    batch_size: int = setting(64, "Clips that each process takes at a time.", least=1)
    lr: float = setting(1e-3, "Peak learning rate.", above=0)
    optimizer: str = setting("adam", "Optimizer; sgd is with Nesterov momentum.", choices=("adam", "adamw", "sgd"))
    lr_schedule: str = setting(
        "",
        "How the learning rate falls: not at all (empty), to zero (cosine), to a tenth after half and a hundredth "
        "after three quarters of the run (step), or to a tenth after every two epochs without a lower loss (plateau).",
        choices=("", "cosine", "step", "plateau"),
    )
    warmup_steps: int = setting(0, "Updates over which the learning rate rises from zero.", least=0)
    momentum: float = setting(0.9, "Momentum of sgd.", least=0, below=1)
    weight_decay: float = setting(1e-5, "Weight decay.", least=0)
    loss: str = setting("cross_entropy", "Loss, on logits.", choices=("cross_entropy",))
    freeze: str = setting(
        "none",
        "Layers that don't learn: none, all before the last stage (last_stage), or all but the classifier (head).",
        choices=("none", "last_stage", "head"),
    )
    freeze_batch_norm: bool = setting(
        False,
        "Keep the running statistics of all layers, for batches too small to estimate them (under 16 clips or so).",
    )
    backbone_lr_factor: float = setting(1.0, "Factor of the learning rate of all layers but the classifier.", least=0)
    class_weights: bool = setting(False, "Weigh the loss by the inverse frequency of the classes.")
    label_smoothing: float = setting(0.0, "Share of the target that is spread over all classes.", least=0, below=1)
    accumulate: int = setting(1, "Batches whose gradients make one update.", least=1)
    precision: str = setting(
        "32-true", "Precision of the computation; mixed ones need a GPU.", choices=("32-true", "bf16-mixed", "16-mixed")
    )
    keep: str = setting(
        "best",
        "Weights at the end: of the best epoch (by validation accuracy, then loss; by training loss without validation "
        "data), or the last ones.",
        choices=("best", "last"),
    )
    early_stopping_patience: int = setting(
        0, "Epochs without a lower loss after which the run ends; 0: never.", least=0
    )
    checkpoint_every_steps: int = setting(0, "Updates between checkpoints step_<number>.ckpt; 0: none.", least=0)
    checkpoint_folder: Optional[str] = setting(
        None,
        "Folder for best.ckpt, last.ckpt and step_<number>.ckpt; `opendr-har train` uses <output>_checkpoints.",
    )
    resume_step: int = setting(
        0, "Step whose checkpoint in checkpoint_folder to resume from; 0: start from scratch.", least=0
    )
    num_workers: int = setting(0, "Processes that decode clips.", least=0)
    pin_memory: bool = setting(False, "Use pinned memory, for faster copies to a GPU.")
    drop_last: bool = setting(
        True, "Leave out the last batch of an epoch if it is not full, unless it is the only one."
    )
    seed: int = setting(123, "Seed; the same one gives the same result for any number of workers.", least=0)
    device: str = setting("cpu", "Device; cuda falls back to the CPU, with a warning.", choices=DEVICES)
    logging_path: Optional[str] = setting(None, "Folder for TensorBoard and CSV logs.")
    progress_bar: bool = setting(False, "Show a progress bar on the terminal.")

    def __post_init__(self) -> None:
        for name in ("checkpoint_folder", "logging_path"):
            if isinstance(getattr(self, name), os.PathLike):
                object.__setattr__(self, name, os.fspath(getattr(self, name)))
        check(self)
        if self.epochs is None and self.steps is None:
            raise ConfigError("epochs and steps are both None, so training would never end; give one of them")
        if self.precision != "32-true" and self.device == "cpu":
            raise ConfigError(
                f"precision is {self.precision!r}, for which PyTorch 2.13 has wrong gradients of X3D's stem on CPUs; "
                f"give device cuda or precision 32-true"
            )
        for name in ("checkpoint_every_steps", "resume_step"):
            if getattr(self, name) and not self.checkpoint_folder:
                raise ConfigError(f"{name} is {getattr(self, name)} but checkpoint_folder is not set; set it as well")

    def to_dict(self) -> Dict[str, Any]:
        """The settings as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingSettings:
        """Settings from names and values; raises ConfigError for an unknown name."""
        known = [field.name for field in fields(cls)]
        strays = sorted(set(values) - set(known))
        if strays:
            raise ConfigError(f"there are no training settings {strays}, expected some of {known}")
        return cls(**values)
