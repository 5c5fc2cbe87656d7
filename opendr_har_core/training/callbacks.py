"""What happens around the updates: counting, checkpoints, logs, and ending early."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, RichProgressBar
from torch.optim import Optimizer

from opendr_har_core.errors import CheckpointError
from opendr_har_core.networks.checkpoint_metadata import facts_entry
from opendr_har_core.storage.atomic import remove_abandoned
from opendr_har_core.training.checkpoint import BEST, LAST, save_checkpoint, step_name
from opendr_har_core.training.data import ClipData
from opendr_har_core.training.module import TrainingModule
from opendr_har_core.training.progress import Progress
from opendr_har_core.training.settings import TrainingSettings


class Bookkeeping(Callback):
    """Counts updates and epochs, keeps the best, writes checkpoints, ends the run in time.

    One callback, because the order matters: a checkpoint has to hold what the epoch that it ends has brought.
    """

    def __init__(self, settings: TrainingSettings, stopper: Stopper) -> None:
        self._settings = settings
        self._stopper = stopper
        self._folder = Path(settings.checkpoint_folder) if settings.checkpoint_folder else None
        self._steps_before = 0
        self._ended_epoch = False
        self.written: List[str] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning counts from zero in each run; a run before may have been killed."""
        self._steps_before = _ours(pl_module).progress.step
        if self._folder is not None and trainer.is_global_zero:
            remove_abandoned(self._folder)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count; between epochs, the checkpoint waits for the validation."""
        module = _ours(pl_module)
        progress = module.progress
        updated = self._steps_before + trainer.global_step > progress.step
        progress.step = self._steps_before + trainer.global_step
        progress.batch += 1
        self._ended_epoch = batch_idx + 1 >= trainer.num_training_batches
        if self._stopper.asked(trainer) or progress.step >= module.total_steps:
            trainer.should_stop = True
        if self._stopper.stopped and not self._ended_epoch:
            trainer.limit_val_batches = 0  # the user wants it to end now
        if updated and not self._ended_epoch and not trainer.should_stop and self._is_due(progress.step):
            self._save(trainer, module, step_name(progress.step))
            self._save(trainer, module, LAST)  # what a run goes on from that is killed within the epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the validation: note the epoch and write what is due."""
        module = _ours(pl_module)
        progress = module.progress
        if self._stopper.stopped and not self._ended_epoch:
            self._save(trainer, module, LAST)
            return
        row = module.epoch_row(with_validation=_data(trainer).validates)
        is_best = progress.end_epoch(row, module.network.state_dict())
        if self._ended_epoch:
            progress.epoch, progress.batch = progress.epoch + 1, 0
        for logger in trainer.loggers:
            logger.log_metrics({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))
        patience = self._settings.early_stopping_patience
        if patience and progress.stale >= patience:
            trainer.should_stop = True
        if is_best:
            self._save(trainer, module, BEST)
        if self._is_due(progress.step):
            self._save(trainer, module, step_name(progress.step))
        self._save(trainer, module, LAST)

    def _is_due(self, step: int) -> bool:
        """Whether a checkpoint of that step is to be kept."""
        every = self._settings.checkpoint_every_steps
        return bool(every) and step % every == 0

    def _save(self, trainer: pl.Trainer, module: TrainingModule, name: str) -> None:
        if self._folder is None or not trainer.is_global_zero:
            return
        path = self._folder / name
        save_checkpoint(checkpoint_content(trainer, module, _data(trainer).labels), path)
        if str(path) not in self.written:
            self.written.append(str(path))


class Stopper(Callback):
    """Turns SIGINT (Ctrl+C) and SIGTERM into an end after the update under way; a second one ends at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.stopped = False
        self._received = False
        self._before: Dict[int, Any] = {}

    def asked(self, trainer: pl.Trainer) -> bool:
        """Whether to end; all processes agree, or one would wait for the others for ever."""
        if not self.stopped:
            self.stopped = bool(trainer.strategy.reduce_boolean_decision(self._received, all=False))
        return self.stopped

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals over from Lightning, whose answer is to exit."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in self.SIGNALS}

    def _receive(self, number: int, frame: Any) -> None:
        self._received = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the signals back."""
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._restore()


def checkpoint_content(trainer: pl.Trainer, module: TrainingModule, labels: Sequence[str]) -> Dict[str, Any]:
    """All that a run needs to go on as if nothing had happened, and what others need to use its weights."""
    metrics = (module.train_loss, module.train_accuracy)
    return {
        "model_state": {key: tensor.detach().cpu() for key, tensor in module.network.state_dict().items()},
        "optimizer": trainer.optimizers[0].state_dict(),
        "precision": trainer.precision_plugin.state_dict(),
        "metrics": [dict(metric.metric_state) for metric in metrics],
        "progress": module.progress.to_dict(),
        "settings": module.settings.to_dict(),
        **facts_entry(module.network.spec, labels),
    }


class Restorer(Callback):
    """Puts the state of a checkpoint back, once Lightning has made what it belongs to."""

    def __init__(self, content: Dict[str, Any]) -> None:
        self._content: Optional[Dict[str, Any]] = content

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Optimizer, gradient scaler and the running means of the epoch that had begun."""
        content, self._content = self._content, None
        if content is None:
            return
        module = _ours(pl_module)
        try:
            _restore_optimizer(trainer.optimizers[0], content["optimizer"])
            trainer.precision_plugin.load_state_dict(content["precision"])
            for metric, state in zip((module.train_loss, module.train_accuracy), content["metrics"]):
                for name in metric.metric_state:
                    setattr(metric, name, state[name].to(module.device))
        except (AttributeError, KeyError, TypeError) as error:
            raise CheckpointError(f"the checkpoint lacks a part of its run ({error!r}); resume from another") from None


def _restore_optimizer(optimizer: Optimizer, state: Dict[str, Any]) -> None:
    """Everything but the peak learning rates, which are the new run's own."""
    rates = [group["peak_lr"] for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(state)
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"the checkpoint's optimizer is another one ({error}); resume with the optimizer and freezing that made it"
        ) from None
    for group, rate in zip(optimizer.param_groups, rates):
        group["peak_lr"] = rate


class EpochBar(RichProgressBar):
    """Lightning's progress bar, drawn with rich, with our own count of epochs, which goes on across resumes."""

    def __init__(self, run: Progress, epochs: int) -> None:
        super().__init__(leave=True)
        self._run = run
        self._epochs = epochs

    def _get_train_description(self, current_epoch: int) -> str:
        text = f"Epoch {self._run.epoch + 1}/{self._epochs}"
        return text.ljust(len(self.validation_description))  # or the bars flicker


def _ours(module: pl.LightningModule) -> TrainingModule:
    if not isinstance(module, TrainingModule):
        raise TypeError(f"these callbacks belong to TrainingModule, got {type(module).__name__}")
    return module


def _data(trainer: pl.Trainer) -> ClipData:
    data: ClipData = trainer.datamodule  # type: ignore[attr-defined]
    return data
