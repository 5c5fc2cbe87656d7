"""One call that trains a network on a dataset."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import StrategyRegistry
from lightning.pytorch.utilities import rank_zero_only

from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.training.callbacks import Bookkeeping, EpochBar, Restorer, Stopper
from opendr_har_core.training.checkpoint import check_network, checkpoint_of_step, progress_of, restore_network
from opendr_har_core.training.data import ClipData, batches_per_epoch, check_classes
from opendr_har_core.training.listener import Listener, Reporter
from opendr_har_core.training.loss import make_loss
from opendr_har_core.training.module import TrainingModule
from opendr_har_core.training.out_of_memory import keep_freed_memory, memory_explained
from opendr_har_core.training.precision import sound_gradients
from opendr_har_core.training.progress import Progress, Row
from opendr_har_core.training.settings import TrainingSettings


@dataclass(frozen=True)
class FitReport:
    """What a training run has come to.

    Attributes:
        best_accuracy: highest accuracy on the validation data (0..1); None without such data.
        best_loss: loss of that epoch: on the validation data where there is some, else of training.
        last_loss: training loss of the last epoch.
        steps, epochs: updates and whole passes over the data, also those before a resume.
        checkpoints: files written in this run.
        log_folder: where logs went, or None.
        history: one row per epoch: epoch, step, lr, train_loss, train_accuracy, val_loss, val_accuracy.
        cancelled: whether SIGINT or SIGTERM ended it.
    """

    best_accuracy: Optional[float]
    best_loss: Optional[float]
    last_loss: Optional[float]
    steps: int
    epochs: int
    checkpoints: Tuple[str, ...]
    log_folder: Optional[str]
    history: Tuple[Row, ...]
    cancelled: bool


def fit(
    network: X3D,
    train: Any,
    val: Any = None,
    settings: Optional[TrainingSettings] = None,
    listener: Optional[Listener] = None,
) -> FitReport:
    """Train `network` in place on the clips of `train`; `val` is looked at after each epoch.

    `listener` is called with an Update a few times a second and after each epoch, in this thread.

    Afterwards the network is on the CPU, in eval mode, all its parameters require gradients again, and its weights are
    those that `settings.keep` says. Ctrl+C or SIGTERM end the run after the update under way: the network then has its
    last weights, and where a folder is set, `last.ckpt` has all that it takes to go on. Raises ConfigError or DataError
    for data that does not fit the network, ConfigError for a strategy that Lightning does not have or can't use here,
    CheckpointError when a checkpoint can't be read or written, ResourceError when memory runs out.
    """
    settings = settings or TrainingSettings()
    keep_freed_memory()
    for dataset, role in ((train, "training"), (val, "validation")):
        if dataset is not None:
            check_classes(dataset.labels, network.num_classes, role)
    content = _checkpoint(network, settings, train.labels)
    progress = progress_of(content, str(settings.checkpoint_folder)) if content else Progress()
    data = ClipData(train, val, settings, progress)
    loss = make_loss(settings, train.targets, network.num_classes)
    module = TrainingModule(network, settings, loss, _total_steps(len(train), settings), progress)
    stopper = Stopper()
    books = Bookkeeping(settings, stopper)
    callbacks: List[Callback] = [*([Restorer(content)] if content else []), stopper, books]
    epochs = -(-module.total_steps // _steps_per_epoch(len(train), settings))
    if listener is not None:
        callbacks.append(Reporter(listener, epochs))
    if settings.progress_bar:
        callbacks.append(EpochBar(progress, epochs))
    try:
        if progress.step < module.total_steps:
            with memory_explained(settings), _calm(), torch.random.fork_rng(), sound_gradients(network):
                _trainer(settings, callbacks, progress.batch > 0).fit(module, datamodule=data)
        if settings.keep == "best" and progress.best_weights and not stopper.stopped:
            network.load_state_dict(progress.best_weights)
    finally:
        network.requires_grad_(True)
        network.cpu().eval()
    return _report(progress, books, settings, stopper.stopped)


def world_size(settings: TrainingSettings) -> int:
    """Number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", settings.devices * settings.num_nodes))


def is_first_process() -> bool:
    """Whether this is the one of several processes that writes and speaks for all."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def _trainer(settings: TrainingSettings, callbacks: List[Callback], begins_within_epoch: bool) -> pl.Trainer:
    on_gpu = settings.device == "cuda" and _gpu()
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", settings.devices))
    try:
        return pl.Trainer(
            accelerator="gpu" if on_gpu else "cpu",
            devices=devices,
            num_nodes=settings.num_nodes,
            strategy=settings.strategy,
            precision=settings.precision,  # type: ignore[arg-type]
            max_epochs=-1,  # our own count of steps ends it, since it goes on across resumes
            accumulate_grad_batches=settings.accumulate,
            callbacks=callbacks,
            logger=_loggers(settings),
            enable_checkpointing=False,
            enable_progress_bar=settings.progress_bar,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=int(begins_within_epoch),  # only then do epochs differ in length
            deterministic="warn" if on_gpu else None,
            sync_batchnorm=on_gpu and world_size(settings) > 1,  # PyTorch has it on GPUs only
            default_root_dir=settings.logging_path or settings.checkpoint_folder,
        )
    except (ValueError, MisconfigurationException) as error:
        raise _refused(settings, error) from None


def _refused(settings: TrainingSettings, error: Exception) -> ConfigError:
    """What Lightning has against the settings that it is made with, in one line."""
    known = ["auto", *StrategyRegistry.available_strategies()]
    if settings.strategy not in known:
        return ConfigError(f"strategy is {settings.strategy!r}, expected one of {known}")
    given = {name: getattr(settings, name) for name in ("strategy", "device", "devices", "num_nodes", "precision")}
    return ConfigError(f"Lightning can't train with {given}: {' '.join(str(error).split())}")


def _gpu() -> bool:
    if torch.cuda.is_available():
        return True
    warnings.warn("device is 'cuda' but PyTorch finds no GPU here; training on the CPU", stacklevel=4)
    return False


def _loggers(settings: TrainingSettings) -> Any:
    if settings.logging_path is None:
        return False
    path = Path(settings.logging_path)
    return [TensorBoardLogger(path, name="", version=""), CSVLogger(path, name="", version="")]


def _checkpoint(network: X3D, settings: TrainingSettings, labels: Sequence[str]) -> Optional[Dict[str, Any]]:
    if not settings.resume_step:
        return None
    path, content = checkpoint_of_step(str(settings.checkpoint_folder), settings.resume_step)
    check_network(content, network.spec, labels, path)
    restore_network(network, content, path)
    return content


def _total_steps(count: int, settings: TrainingSettings) -> int:
    """Updates in the whole run."""
    per_epoch = _steps_per_epoch(count, settings)
    limits = [settings.steps, settings.epochs * per_epoch if settings.epochs else None]
    return min(limit for limit in limits if limit)


def _steps_per_epoch(count: int, settings: TrainingSettings) -> int:
    return -(-batches_per_epoch(count, settings, world_size(settings)) // settings.accumulate)


def _report(progress: Progress, books: Bookkeeping, settings: TrainingSettings, cancelled: bool) -> FitReport:
    best = progress.best or {}
    return FitReport(
        best_accuracy=best.get("val_accuracy"),
        best_loss=best.get("val_loss", best.get("train_loss")),
        last_loss=progress.history[-1]["train_loss"] if progress.history else None,
        steps=progress.step,
        epochs=progress.epoch,
        checkpoints=tuple(books.written),
        log_folder=settings.logging_path,
        history=tuple(progress.history),
        cancelled=cancelled,
    )


@contextmanager
def _calm() -> Iterator[None]:
    """Without Lightning's notices and its advice for others' problems."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning|torchmetrics")
            yield
    finally:
        logger.setLevel(level)
