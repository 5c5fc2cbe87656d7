"""How far a run has come, told while it goes on: to a progress file, another process, a robot's operator."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Optional

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torchmetrics import Metric

from opendr_har_core.training.module import TrainingModule

TRAINING, VALIDATING, EPOCH_END = "training", "validating", "epoch_end"
EVERY_SEC = 0.25


@dataclass(frozen=True)
class Update:
    """One look at a training run.

    Attributes:
        state: "training", "validating" or, once for each epoch when it has its numbers, "epoch_end".
        epoch, epochs: the epoch under way (the one that ends, in "epoch_end"), from 1 on, and how many there are.
        step, steps: updates of the weights so far, also those before a resume, and how many there are.
        loss, accuracy: means over the epoch's batches so far, those of this process; None before its first one.
        val_loss, val_accuracy: those of the last epoch that was validated; None before.
        best_accuracy: the highest `val_accuracy` so far.
        eta_sec: seconds until the last step, at this run's mean pace; None before its first step.
    """

    state: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: Optional[float] = None
    accuracy: Optional[float] = None
    val_loss: Optional[float] = None
    val_accuracy: Optional[float] = None
    best_accuracy: Optional[float] = None
    eta_sec: Optional[float] = None


Listener = Callable[[Update], Any]


class Reporter(Callback):
    """Calls a listener a few times a second while batches go by, and at the start and end of each epoch.

    Stands after Bookkeeping, which counts. Only the first of several processes reports; what the listener raises ends
    the run.
    """

    def __init__(self, listener: Listener, epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`epochs` is the number of epochs in the whole run."""
        self._listener = listener
        self._epochs = epochs
        self._clock = clock
        self._began = self._last = 0.0
        self._steps_before = self._rows = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The pace is that of this run."""
        progress = _module(pl_module).progress
        self._began = self._clock()
        self._steps_before, self._rows = progress.step, len(progress.history)
        self._report(trainer, pl_module, TRAINING)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Now and then."""
        if self._clock() - self._last >= EVERY_SEC:
            self._report(trainer, pl_module, TRAINING)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """It may take long."""
        self._report(trainer, pl_module, VALIDATING)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The epoch's numbers; an epoch that was interrupted has none."""
        rows = len(_module(pl_module).progress.history)
        if rows > self._rows:
            self._rows = rows
            self._report(trainer, pl_module, EPOCH_END)

    def _report(self, trainer: pl.Trainer, pl_module: pl.LightningModule, state: str) -> None:
        if not trainer.is_global_zero:
            return
        self._last = self._clock()
        self._listener(self._update(_module(pl_module), state))

    def _update(self, module: TrainingModule, state: str) -> Update:
        progress = module.progress
        row = progress.history[-1] if progress.history else {}
        ended = state == EPOCH_END
        return Update(
            state=state,
            epoch=int(row["epoch"] if ended else progress.epoch) + 1,
            epochs=self._epochs,
            step=progress.step,
            steps=module.total_steps,
            loss=row["train_loss"] if ended else _mean_loss(module),
            accuracy=row["train_accuracy"] if ended else _accuracy(module),
            val_loss=row.get("val_loss"),
            val_accuracy=row.get("val_accuracy"),
            best_accuracy=(progress.best or {}).get("val_accuracy"),
            eta_sec=self._eta_sec(progress.step, module.total_steps),
        )

    def _eta_sec(self, step: int, steps: int) -> Optional[float]:
        done = step - self._steps_before
        return (self._clock() - self._began) / done * max(0, steps - step) if done > 0 else None


# The metrics' own `compute` would wait for the other processes, which do not report.
def _mean_loss(module: TrainingModule) -> Optional[float]:
    total, weight = (_local(module.train_loss, name) for name in ("mean_value", "weight"))
    return total / weight if weight else None


def _accuracy(module: TrainingModule) -> Optional[float]:
    right, wrong = (_local(module.train_accuracy, name) for name in ("tp", "fn"))
    return right / (right + wrong) if right + wrong else None


def _local(metric: Metric, name: str) -> float:
    return float(torch.as_tensor(metric.metric_state[name]).sum())


def _module(module: pl.LightningModule) -> TrainingModule:
    if not isinstance(module, TrainingModule):
        raise TypeError(f"a Reporter belongs to TrainingModule, got {type(module).__name__}")
    return module
