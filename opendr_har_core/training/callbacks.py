"""Lightning callback of a run: count, save and report progress, stop early or on a signal."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from torchmetrics import Metric

from opendr_har_core.errors import CheckpointError
from opendr_har_core.networks.checkpoint_metadata import facts_entry
from opendr_har_core.storage.atomic import remove_abandoned
from opendr_har_core.training.checkpoint import BEST, LAST, Progress, save_checkpoint, step_name
from opendr_har_core.training.data import ClipData
from opendr_har_core.training.module import TrainingModule, epochs_without_progress
from opendr_har_core.training.settings import TrainingSettings

TRAINING, VALIDATING, EPOCH_END = "training", "validating", "epoch_end"
REPORT_EVERY_SEC = 0.25


@dataclass(frozen=True)
class Update:
    """Progress of a training run, as a listener receives it.

    Attributes:
        state: "training", "validating" or, once per epoch when its numbers are known, "epoch_end".
        epoch, epochs: the current epoch, from 1 (in "epoch_end" the one that ends), and their number.
        step, steps: updates of the weights so far, including those before a resume, and their number.
        loss, accuracy: means over the epoch's batches so far, in this process; None before the first batch.
        val_loss, val_accuracy: those of the last validated epoch; None before.
        best_accuracy: highest `val_accuracy` so far.
        eta_sec: seconds until the last step, at the mean pace of this run; None before its first step.
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


class StopSignals:
    """Context in which, from `take` on, Ctrl+C or SIGTERM only sets `received`; a second one acts as before."""

    def __init__(self) -> None:
        self.received = False
        self._before: Dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take(self) -> None:
        """Handle the signals; call it once Lightning has installed its own handler, which ends with an exception."""
        for number in self._before:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: Any) -> None:
        self.received = True
        self.__exit__()


class Reporter:
    """Calls a listener in the first process, at most four times a second while training; its exceptions end the run."""

    def __init__(self, listener: Listener, epochs: int) -> None:
        """`epochs` is the number of epochs in the whole run."""
        self._listener = listener
        self._epochs = epochs
        self._began = self._last = time.monotonic()
        self._steps_before = 0

    def start(self, module: TrainingModule) -> None:
        """Start the clock of this run."""
        self._began = time.monotonic()
        self._steps_before = module.progress.step
        self.report(module, TRAINING)

    def is_due(self) -> bool:
        """Whether the last report is old enough."""
        return time.monotonic() - self._last >= REPORT_EVERY_SEC

    def report(self, module: TrainingModule, state: str) -> None:
        """Report the numbers of an epoch that has ended, or what is known of the current one."""
        self._last = time.monotonic()
        progress = module.progress
        row = progress.history[-1] if progress.history else {}
        ended = state == EPOCH_END
        done, left = progress.step - self._steps_before, max(0, module.total_steps - progress.step)
        self._listener(
            Update(
                state=state,
                epoch=int(row["epoch"] if ended else progress.epoch) + 1,
                epochs=self._epochs,
                step=progress.step,
                steps=module.total_steps,
                loss=row["train_loss"] if ended else _ratio(module.train_loss, "mean_value", "weight"),
                accuracy=row["train_accuracy"] if ended else _ratio(module.train_accuracy, "tp", "tp", "fn"),
                val_loss=row.get("val_loss"),
                val_accuracy=row.get("val_accuracy"),
                best_accuracy=(progress.best or {}).get("val_accuracy"),
                eta_sec=(self._last - self._began) / done * left if done > 0 else None,
            )
        )


class Bookkeeping(Callback):
    """Counts updates and epochs, keeps the best weights, writes checkpoints, reports and stops the run.

    One callback because the order matters: the checkpoint at the end of an epoch has to contain its numbers.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        signals: StopSignals,
        resumed: Optional[Dict[str, Any]],
        reporter: Optional[Reporter],
    ) -> None:
        """`resumed` is the content of the checkpoint to continue from."""
        self._reporter = reporter
        self._settings = settings
        self._signals = signals
        self._resumed = resumed
        self._folder = Path(settings.checkpoint_folder) if settings.checkpoint_folder else None
        self._steps_before = 0
        self._epoch_is_complete = False
        self.cancelled = False
        self.written: List[str] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Handle signals, and restore a checkpoint's state into what Lightning has created."""
        self._signals.take()
        module = _module(pl_module)
        self._steps_before = module.progress.step
        if self._folder is not None and trainer.is_global_zero:
            remove_abandoned(self._folder)
        if self._resumed is not None:
            _restore(trainer, module, self._resumed)
            self._resumed = None
        if not trainer.is_global_zero:
            self._reporter = None
        if self._reporter is not None:
            self._reporter.start(module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and write a checkpoint that is due within an epoch; at its end, validation comes first."""
        module = _module(pl_module)
        progress = module.progress
        step = self._steps_before + trainer.global_step  # Lightning counts from zero in each run
        updated = step > progress.step
        progress.step, progress.batch = step, progress.batch + 1
        self._epoch_is_complete = batch_idx + 1 >= trainer.num_training_batches
        # All processes have to agree, or one waits for the others indefinitely.
        self.cancelled |= bool(trainer.strategy.reduce_boolean_decision(self._signals.received, all=False))
        if self.cancelled or step >= module.total_steps:
            trainer.should_stop = True
        if self.cancelled and not self._epoch_is_complete:
            trainer.limit_val_batches = 0
        if updated and not self._epoch_is_complete and not trainer.should_stop and self._is_due(step):
            self._save(trainer, module, step_name(step), LAST)
        if self._reporter is not None and self._reporter.is_due():
            self._reporter.report(module, TRAINING)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report, since validation can take long."""
        if self._reporter is not None:
            self._reporter.report(_module(pl_module), VALIDATING)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch, after its validation, and write the checkpoints that are due."""
        module = _module(pl_module)
        progress = module.progress
        if self.cancelled and not self._epoch_is_complete:
            self._save(trainer, module, LAST)
            return
        row = module.epoch_row(with_validation=_data(trainer).validates)
        is_best = progress.end_epoch(row, module.network.state_dict())
        if self._epoch_is_complete:
            progress.epoch, progress.batch = progress.epoch + 1, 0
        for logger in trainer.loggers:
            logger.log_metrics({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))
        patience = self._settings.early_stopping_patience
        if patience and epochs_without_progress(progress.losses) >= patience:
            trainer.should_stop = True
        due = [step_name(progress.step)] if self._is_due(progress.step) else []
        self._save(trainer, module, *([BEST] if is_best else []), *due, LAST)
        if self._reporter is not None:
            self._reporter.report(module, EPOCH_END)

    def _is_due(self, step: int) -> bool:
        every = self._settings.checkpoint_every_steps
        return bool(every) and step % every == 0

    def _save(self, trainer: pl.Trainer, module: TrainingModule, *names: str) -> None:
        if self._folder is None or not trainer.is_global_zero:
            return
        content = {
            "model_state": {key: tensor.detach().cpu() for key, tensor in module.network.state_dict().items()},
            "optimizer": trainer.optimizers[0].state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
            "metrics": [dict(metric.metric_state) for metric in (module.train_loss, module.train_accuracy)],
            "progress": module.progress.to_dict(),
            "settings": module.settings.to_dict(),
            **facts_entry(module.network.spec, _data(trainer).labels),
        }
        for path in (self._folder / name for name in names):
            save_checkpoint(content, path)
            if str(path) not in self.written:
                self.written.append(str(path))


def _restore(trainer: pl.Trainer, module: TrainingModule, content: Dict[str, Any]) -> None:
    """Optimizer, gradient scaler, and the running means of the current epoch."""
    try:
        trainer.optimizers[0].load_state_dict(content["optimizer"])
        trainer.precision_plugin.load_state_dict(content["precision"])
        for metric, state in zip((module.train_loss, module.train_accuracy), content["metrics"]):
            for name in metric.metric_state:
                setattr(metric, name, state[name].to(module.device))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint is incomplete or of another optimizer ({error!r}); resume with the optimizer and freezing "
            f"that made it"
        ) from None


def _ratio(metric: Metric, numerator: str, *denominators: str) -> Optional[float]:
    """A mean of this process alone; the metric's own `compute` would wait for the other processes."""
    values = {name: float(torch.as_tensor(value).sum()) for name, value in metric.metric_state.items()}
    total = sum(values[name] for name in denominators)
    return values[numerator] / total if total else None


class EpochBar(RichProgressBar):
    """Lightning's progress bar with a count of epochs that includes those before a resume."""

    def __init__(self, run: Progress, epochs: int) -> None:
        super().__init__(leave=True)
        self._run = run
        self._epochs = epochs

    def _get_train_description(self, current_epoch: int) -> str:
        text = f"Epoch {self._run.epoch + 1}/{self._epochs}"
        return text.ljust(len(self.validation_description))  # without padding, the bars flicker


def _module(module: pl.LightningModule) -> TrainingModule:
    return cast(TrainingModule, module)


def _data(trainer: pl.Trainer) -> ClipData:
    return cast(ClipData, trainer.datamodule)  # type: ignore[attr-defined]
