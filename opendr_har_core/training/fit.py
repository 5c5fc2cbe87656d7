"""Train a network on a dataset."""

from __future__ import annotations

import errno
import logging
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only

from opendr_har_core.backends.allocator import keep_freed
from opendr_har_core.errors import ConfigError, ResourceError
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.training.callbacks import Bookkeeping, EpochBar, Listener, Reporter, StopSignals
from opendr_har_core.training.checkpoint import (
    Progress,
    Row,
    path_of_step,
    progress_of,
    read_checkpoint,
    restore_network,
)
from opendr_har_core.training.data import ClipData, batches_per_epoch, check_dataset
from opendr_har_core.training.module import TrainingModule, make_loss
from opendr_har_core.training.settings import TrainingSettings

GIB = 1 << 30
# A process that does not answer for so long is lost; PyTorch's own default on GPUs, but half an hour on CPUs.
ANSWER_WITHIN_SEC = 600
# In messages of PyTorch on the CPU, of CUDA's libraries, of data loader workers without shared memory, and of workers
# that the kernel killed to free memory.
SHORTAGE = (
    "allocate memory",
    "unable to allocate",
    "out of memory",
    "_status_alloc_failed",
    "shared memory",
    "unable to write to file </torch_",
    "is killed by signal",
    "exited unexpectedly",
)
# In messages of gloo, which raises plain RuntimeErrors.
LOSS = ("gloo/transport", "timeout caused pair closure")


@dataclass(frozen=True)
class FitReport:
    """Result of a training run.

    Attributes:
        best_accuracy: highest accuracy on the validation data (0..1); None without such data.
        best_loss: loss of that epoch, on the validation data if there is any, otherwise of training.
        last_loss: training loss of the last epoch.
        steps, epochs: updates and completed epochs, including those before a resume.
        checkpoints: files written in this run.
        log_folder: where logs are, or None.
        history: one row per epoch: epoch, step, lr, train_loss, train_accuracy, val_loss, val_accuracy.
        cancelled: whether SIGINT or SIGTERM ended the run.
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
    """Train `network` in place on the clips of `train`, and validate on `val` after each epoch.

    `listener` is called with an Update a few times a second and after each epoch, in this thread.

    Afterwards the network is on the CPU in eval mode, all its parameters require gradients, and its weights are those
    that `settings.keep` selects. Ctrl+C or SIGTERM end the run after the current update: the network has its last
    weights, and with a `checkpoint_folder` `last.ckpt` has everything needed to resume. Raises ConfigError or DataError
    for data that does not fit the network, CheckpointError when a checkpoint can't be read or written, and
    ResourceError when memory runs out or another process of the run is lost.
    """
    settings = settings or TrainingSettings()
    keep_freed(GIB, GIB)  # otherwise page faults take half the time of a pass over a batch on the CPU
    check_dataset(train, network.num_classes, "training")
    if val is not None:
        check_dataset(val, network.num_classes, "validation")
    content, progress = None, Progress()
    if settings.resume_step:
        path = path_of_step(str(settings.checkpoint_folder), settings.resume_step)
        content = read_checkpoint(path)
        restore_network(network, train.labels, content, path)
        progress = progress_of(content, path)
    data = ClipData(train, val, settings, progress)
    per_epoch = -(-batches_per_epoch(len(train), settings, _processes("WORLD_SIZE")) // settings.accumulate)
    limits = [settings.steps, settings.epochs * per_epoch if settings.epochs else None]
    total = min(limit for limit in limits if limit)
    epochs = -(-total // per_epoch)
    loss = make_loss(settings, train.targets, network.num_classes)
    module = TrainingModule(network, settings, loss, total, progress)
    signals = StopSignals()
    books = Bookkeeping(settings, signals, content, Reporter(listener, epochs) if listener else None)
    callbacks: List[Callback] = [books]
    if settings.progress_bar:
        callbacks.append(EpochBar(progress, epochs))
    try:
        if progress.step < total:
            with shortage_explained(settings), _quiet(), torch.random.fork_rng(), signals:
                _trainer(settings, callbacks, begins_within_epoch=progress.batch > 0).fit(module, datamodule=data)
        if settings.keep == "best" and progress.best_weights and not books.cancelled:
            network.load_state_dict(progress.best_weights)
    finally:
        network.requires_grad_(True)
        network.cpu().eval()
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
        cancelled=books.cancelled,
    )


def is_first_process() -> bool:
    """Whether this process writes and reports for all that train together."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def _processes(variable: str) -> int:
    """Number of processes that train together, in all (WORLD_SIZE) or on this machine, by torchrun's variables."""
    return int(os.environ.get(variable, "1"))


def _trainer(settings: TrainingSettings, callbacks: List[Callback], begins_within_epoch: bool) -> pl.Trainer:
    on_gpu = settings.device == "cuda" and torch.cuda.is_available()
    if settings.device == "cuda" and not on_gpu:
        warnings.warn("device is 'cuda' but PyTorch finds no GPU here; training on the CPU", stacklevel=3)
    loggers: Any = False
    if settings.logging_path is not None:
        path = Path(settings.logging_path)
        loggers = [TensorBoardLogger(path, name="", version=""), CSVLogger(path, name="", version="")]
    try:
        return pl.Trainer(
            accelerator="gpu" if on_gpu else "cpu",
            devices=_processes("LOCAL_WORLD_SIZE"),
            num_nodes=_processes("WORLD_SIZE") // _processes("LOCAL_WORLD_SIZE"),
            strategy=DDPStrategy(timeout=timedelta(seconds=ANSWER_WITHIN_SEC))
            if _processes("WORLD_SIZE") > 1
            else "auto",
            precision=settings.precision if on_gpu else "32-true",  # type: ignore[arg-type]
            max_epochs=-1,  # Bookkeeping stops the run, because its count includes the steps before a resume
            accumulate_grad_batches=settings.accumulate,
            callbacks=callbacks,
            logger=loggers,
            enable_checkpointing=False,
            enable_progress_bar=settings.progress_bar,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=int(begins_within_epoch),  # only then do epochs differ in length
            deterministic="warn" if on_gpu else None,
            sync_batchnorm=on_gpu and _processes("WORLD_SIZE") > 1,  # PyTorch has it on GPUs only
            default_root_dir=settings.logging_path or settings.checkpoint_folder,
        )
    except (ValueError, MisconfigurationException) as error:
        given = {name: getattr(settings, name) for name in ("device", "precision")}
        raise ConfigError(f"Lightning can't train with {given}: {' '.join(str(error).split())}") from None


@contextmanager
def shortage_explained(settings: TrainingSettings) -> Iterator[None]:
    """Raise ResourceError when memory runs out in the context or another process is lost; other errors pass."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        told = lines[-1 if lines[0].startswith("Caught ") else 0][:200]  # a worker's error ends its traceback
        folder = settings.checkpoint_folder
        kept = f". Earlier checkpoints in {folder} are intact; resume continues from them" if folder else ""
        if type(error).__module__ == "torch.distributed" or any(sign in str(error) for sign in LOSS):
            raise ResourceError(
                f"another process of this run was lost ({told}); its own output says why. End the others and start "
                f"all again{kept}"
            ) from error
        if isinstance(error, OSError):  # its text may contain a file name
            is_shortage = error.errno == errno.ENOMEM
        else:
            is_shortage = isinstance(error, MemoryError) or any(sign in told.lower() for sign in SHORTAGE)
        if not is_shortage:
            raise
        given = {name: getattr(settings, name) for name in ("batch_size", "num_workers", "freeze")}
        raise ResourceError(
            f"memory ran out, or a process that reads clips was killed, while training with {given} ({told}); try a "
            f"smaller batch_size (with accumulate, for the same updates), fewer num_workers or more shared memory, "
            f"freeze 'head', or a smaller network{kept}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Lightning's notices and its advice, which is for developers of training code."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning|torchmetrics")
            yield
    finally:
        logger.setLevel(level)
