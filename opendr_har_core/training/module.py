"""The LightningModule: clips to logits to loss, metrics and updates."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from opendr_har_core.networks.x3d import X3D
from opendr_har_core.training.data import mixed_seed
from opendr_har_core.training.freezing import apply_freezing, make_optimizer, set_training_mode
from opendr_har_core.training.loss import standardised
from opendr_har_core.training.progress import Progress, Row
from opendr_har_core.training.schedule import lr_factor
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
        x = standardised(clips, self.network.spec)
        if self.settings.channels_last:
            x = x.to(memory_format=torch.channels_last_3d)
        logits: Tensor = self.network(x)
        return logits

    def configure_optimizers(self) -> Optimizer:
        """One optimizer; the learning rate is set in `on_train_batch_start`."""
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
        """Learning rate and seed of dropout are functions of the step, so that a resumed run goes on alike."""
        factor = lr_factor(self.settings, self.progress.step, self.total_steps, self.progress.plateau)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["peak_lr"] * factor
        torch.manual_seed(mixed_seed(self.settings.seed, self.progress.epoch, self.progress.batch, self.global_rank, 1))

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
        """The numbers of the epoch that ends; collects them from all processes, and starts new ones."""
        metrics: Dict[str, Any] = {"train_loss": self.train_loss, "train_accuracy": self.train_accuracy}
        if with_validation:
            metrics.update(val_loss=self.val_loss, val_accuracy=self.val_accuracy)
        row = {name: float(metric.compute()) for name, metric in metrics.items()}
        for metric in (self.train_loss, self.train_accuracy, self.val_loss, self.val_accuracy):
            metric.reset()
        rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        return {"epoch": self.progress.epoch, "step": self.progress.step, "lr": rate, **row}
