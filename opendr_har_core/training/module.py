"""The LightningModule: clips to logits, loss and metrics."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from opendr_har_core.networks.x3d import X3D, in_fast_layout, standardized
from opendr_har_core.training.checkpoint import Progress, Row
from opendr_har_core.training.data import mixed_seed
from opendr_har_core.training.optimization import apply_freezing, lr_factor, make_optimizer, set_training_mode
from opendr_har_core.training.settings import TrainingSettings

Batch = Tuple[Tensor, Tensor]


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
        logits: Tensor = self.network(in_fast_layout(x, self.settings.channels_last))
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
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["peak_lr"] * factor
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


@contextmanager
def stem_in_float32(network: X3D) -> Iterator[None]:
    """Keep the stem's temporal convolution out of bfloat16 on CPUs.

    PyTorch 2.13 (oneDNN 3.12) computes wrong weight gradients of a depthwise convolution in bfloat16, channels last,
    whose kernel is longer than the clip, as in X3D-XS: they come from uninitialised memory. Networks without that
    layer, such as a Tail, are left alone.
    """
    conv = dict(network.named_modules()).get("s1.pathway0_stem.conv")
    if conv is None:
        yield
        return
    conv.forward = partial(_in_float32, conv)  # on the instance, and picklable for strategies that spawn
    try:
        yield
    finally:
        del conv.forward


def _in_float32(conv: nn.Module, x: Tensor) -> Any:
    if x.device.type != "cpu":
        return type(conv).forward(conv, x)
    with torch.autocast("cpu", enabled=False):
        return type(conv).forward(conv, x.float())
