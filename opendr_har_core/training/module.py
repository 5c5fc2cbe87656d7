"""The LightningModule: what learns, with which optimizer and rates; loss and metrics."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, Adam, AdamW, Optimizer
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from opendr_har_core.networks.layers import TemporalConv
from opendr_har_core.networks.x3d import FIRST_STAGE, X3D, in_fast_layout, standardized
from opendr_har_core.training.checkpoint import Progress, Row
from opendr_har_core.training.data import mixed_seed
from opendr_har_core.training.settings import TrainingSettings

Batch = Tuple[Tensor, Tensor]
CLASSIFIER = "head.projection."
DECAY = 0.1
STEP_AT = (0.5, 0.75)
PLATEAU_EPOCHS = 2


class TrainingModule(pl.LightningModule):
    """Trains `network` in place; `progress` counts across resumes, which Lightning's own counters do not."""

    def __init__(
        self, network: X3D, settings: TrainingSettings, loss: nn.Module, total_steps: int, progress: Progress
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.settings = settings
        self.total_steps = total_steps
        self.progress = progress
        self.train_loss, self.val_loss = MeanMetric(), MeanMetric()
        classes = network.num_classes
        self.train_accuracy = MulticlassAccuracy(classes, average="micro")
        self.val_accuracy = MulticlassAccuracy(classes, average="micro")
        apply_freezing(network, settings.freeze)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips as datasets give them, (B, 3, T, S, S) -> logits (B, num_classes)."""
        x = standardized(clips, self.network.spec)
        logits: Tensor = self.network(in_fast_layout(x))
        return logits

    def configure_optimizers(self) -> Optimizer:
        """One optimizer; `on_train_batch_start` sets its learning rates."""
        return make_optimizer(self.network, self.settings)

    def train(self, mode: bool = True) -> TrainingModule:
        """Frozen layers keep normalising by their running statistics."""
        super().train(mode)
        if mode:
            set_training_mode(self.network, self.settings.freeze_batch_norm)
        return self

    def on_train_epoch_start(self) -> None:
        """Lightning trains in whatever mode it finds the network."""
        self.train()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set learning rates and the seed of dropout as functions of the step, so that a resume repeats them."""
        progress = self.progress
        factor = lr_factor(self.settings, progress.step, self.total_steps, progress.losses)
        for group, peak in zip(self.trainer.optimizers[0].param_groups, peak_rates(self.settings)):
            group["lr"] = peak * factor
        torch.manual_seed(mixed_seed(self.settings.seed, progress.epoch, progress.batch, self.global_rank, 1))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        clips, classes = batch
        logits = self(clips)
        loss: Tensor = self.loss(logits, classes)
        self.train_loss.update(loss.detach(), len(classes))
        self.train_accuracy.update(logits.detach(), classes)
        self.log("train_loss_step", loss.detach(), prog_bar=True, logger=False)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and accuracy of one batch."""
        clips, classes = batch
        logits = self(clips)
        self.val_loss.update(self.loss(logits, classes), len(classes))
        self.val_accuracy.update(logits, classes)

    def epoch_row(self, with_validation: bool) -> Row:
        """Numbers of the epoch that ends, over all processes; resets the metrics."""
        metrics: Dict[str, Any] = {"train_loss": self.train_loss, "train_accuracy": self.train_accuracy}
        if with_validation:
            metrics.update(val_loss=self.val_loss, val_accuracy=self.val_accuracy)
        row = {name: float(metric.compute()) for name, metric in metrics.items()}
        for metric in metrics.values():
            metric.reset()
        rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        return {"epoch": self.progress.epoch, "step": self.progress.step, "lr": rate, **row}


def make_loss(settings: TrainingSettings, targets: Sequence[int], num_classes: int) -> nn.CrossEntropyLoss:
    """Cross entropy on logits; with `class_weights`, each class that occurs has the same total weight."""
    weights = inverse_frequencies(targets, num_classes) if settings.class_weights else None
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=settings.label_smoothing)


def inverse_frequencies(targets: Sequence[int], num_classes: int) -> Optional[Tensor]:
    """Float32 (num_classes,): mean number of items per class over items of the class; 0 for a class without items."""
    counts = torch.bincount(torch.as_tensor(targets, dtype=torch.int64), minlength=num_classes).float()
    present = counts > 0
    weights = torch.zeros_like(counts)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


def trained_parameters(network: X3D, freeze: str) -> Iterator[Tuple[str, nn.Parameter]]:
    """Names and parameters that learn under `freeze`, in the network's order."""
    last = FIRST_STAGE + len(network.config.stage_depths) - 1
    prefixes = {"none": ("",), "last_stage": (f"s{last}.", "head."), "head": (CLASSIFIER,)}[freeze]
    return ((name, parameter) for name, parameter in network.named_parameters() if name.startswith(prefixes))


def apply_freezing(network: X3D, freeze: str) -> None:
    """Require gradients only of the parameters that learn under `freeze`."""
    learning = {name for name, _ in trained_parameters(network, freeze)}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in learning)


def set_training_mode(network: X3D, freeze_batch_norm: bool) -> None:
    """Switch to training mode, except for batch normalisation in frozen layers (or in all layers).

    A frozen layer whose running statistics change would not be frozen.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            frozen = module.weight is not None and not module.weight.requires_grad
            module.train(not (frozen or freeze_batch_norm))


def peak_rates(settings: TrainingSettings) -> Tuple[float, float]:
    """Peak learning rates of the classifier and of the layers before it."""
    return settings.lr, settings.lr * settings.backbone_lr_factor


def make_optimizer(network: X3D, settings: TrainingSettings) -> Optimizer:
    """Optimizer of the parameters that learn: one group for the classifier, one for the layers before it."""
    classifier: List[nn.Parameter] = []
    backbone: List[nn.Parameter] = []
    for name, parameter in trained_parameters(network, settings.freeze):
        (classifier if name.startswith(CLASSIFIER) else backbone).append(parameter)
    parts = zip((classifier, backbone), peak_rates(settings))
    groups = [{"params": parameters, "lr": rate} for parameters, rate in parts if parameters]
    decay = settings.weight_decay
    optimizer: Optimizer
    if settings.optimizer == "sgd":
        momentum = settings.momentum
        optimizer = SGD(groups, lr=settings.lr, momentum=momentum, nesterov=momentum > 0, weight_decay=decay)
    else:
        kind = Adam if settings.optimizer == "adam" else AdamW
        optimizer = kind(groups, lr=settings.lr, weight_decay=decay)
    _keep_unused_taps(network, optimizer)
    return optimizer


def _keep_unused_taps(network: X3D, optimizer: Optimizer) -> None:
    """Exempt the taps on future frames from weight decay without lookahead, so that the weights still fit with it.

    No output depends on them, so decay is their only gradient, and Adam moves them by a full step whatever its size.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, TemporalConv)]
    kept = [layer.weight[:, :, layer.taps :].detach().clone() for layer in layers]

    def restore(*_: Any) -> None:
        with torch.no_grad():
            for layer, taps in zip(layers, kept):
                layer.weight[:, :, layer.taps :] = taps

    optimizer.register_step_post_hook(restore)


def lr_factor(settings: TrainingSettings, step: int, total: int, losses: Sequence[float]) -> float:
    """Factor of the peak learning rate for update `step` (from zero) of `total`.

    `losses` are those of the epochs so far, for the schedule "plateau". A function of the history, not an object with
    state, because a resumed run has to continue with the same rates.
    """
    if step < settings.warmup_steps:
        return (step + 1) / (settings.warmup_steps + 1)
    done = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    if settings.lr_schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    if settings.lr_schedule == "step":
        return DECAY ** sum(done >= at for at in STEP_AT)
    return _plateau_factor(losses) if settings.lr_schedule == "plateau" else 1.0


def epochs_without_progress(losses: Sequence[float]) -> int:
    """Number of epochs since the lowest loss, zero if the last epoch has it; NaN is never the lowest."""
    lowest, stale = math.inf, 0
    for loss in losses:
        lowest, stale = (loss, 0) if loss < lowest else (lowest, stale + 1)
    return stale


def _plateau_factor(losses: Sequence[float]) -> float:
    lowest, stale, factor = math.inf, 0, 1.0
    for loss in losses:
        lowest, stale = (loss, 0) if loss < lowest else (lowest, stale + 1)
        if stale == PLATEAU_EPOCHS:
            factor, stale = factor * DECAY, 0
    return factor
