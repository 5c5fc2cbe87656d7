"""Which layers learn, and how fast."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, Adam, AdamW, Optimizer

from opendr_har_core.networks.x3d import FIRST_STAGE, X3D
from opendr_har_core.training.settings import TrainingSettings

CLASSIFIER = "head.projection."


def trained_parameters(network: X3D, freeze: str) -> Iterator[Tuple[str, nn.Parameter]]:
    """Names and parameters that learn under `freeze`, in the network's order."""
    last = FIRST_STAGE + len(network.config.stage_depths) - 1
    prefixes = {"none": ("",), "last_stage": (f"s{last}.", "head."), "head": (CLASSIFIER,)}[freeze]
    for name, parameter in network.named_parameters():
        if name.startswith(prefixes):
            yield name, parameter


def apply_freezing(network: X3D, freeze: str) -> None:
    """Let exactly the parameters learn that `freeze` leaves free."""
    learning = {name for name, _ in trained_parameters(network, freeze)}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in learning)


def set_training_mode(network: X3D, freeze_batch_norm: bool) -> None:
    """Training mode, but normalisation by running statistics in frozen layers, or in all.

    A frozen layer whose statistics went on moving would not be frozen.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            frozen = module.weight is not None and not module.weight.requires_grad
            module.train(not (frozen or freeze_batch_norm))


def make_optimizer(network: X3D, settings: TrainingSettings) -> Optimizer:
    """The optimizer over the parameters that learn: the classifier in one group, the layers before it in another."""
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
