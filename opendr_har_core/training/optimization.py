"""Which parameters learn, with which optimizer, and the learning rate of each update."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, Adam, AdamW, Optimizer

from opendr_har_core.networks.x3d import FIRST_STAGE, X3D
from opendr_har_core.training.settings import TrainingSettings

CLASSIFIER = "head.projection."
DECAY = 0.1
STEP_AT = (0.5, 0.75)
PLATEAU_EPOCHS = 2


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


def make_optimizer(network: X3D, settings: TrainingSettings) -> Optimizer:
    """Optimizer of the parameters that learn: one group for the classifier, one for the layers before it."""
    classifier: List[nn.Parameter] = []
    backbone: List[nn.Parameter] = []
    for name, parameter in trained_parameters(network, settings.freeze):
        (classifier if name.startswith(CLASSIFIER) else backbone).append(parameter)
    groups: List[Dict[str, Any]] = [{"params": classifier, "lr": settings.lr, "peak_lr": settings.lr}]
    if backbone:
        rate = settings.lr * settings.backbone_lr_factor
        groups.append({"params": backbone, "lr": rate, "peak_lr": rate})
    decay = settings.weight_decay
    if settings.optimizer == "sgd":
        momentum = settings.momentum
        return SGD(groups, lr=settings.lr, momentum=momentum, nesterov=momentum > 0, weight_decay=decay)
    kind = Adam if settings.optimizer == "adam" else AdamW
    return kind(groups, lr=settings.lr, weight_decay=decay)


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
