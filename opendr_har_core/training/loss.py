"""The loss, and what the network's input is made of."""

from __future__ import annotations

from typing import Optional, Sequence

import torch
from torch import Tensor, nn

from opendr_har_core.spec import ModelSpec
from opendr_har_core.training.settings import TrainingSettings


def standardised(clips: Tensor, spec: ModelSpec) -> Tensor:
    """uint8 clips (B, 3, T, S, S) in 0..255 -> standardised float32; float clips are taken as standardised already."""
    if clips.dtype != torch.uint8:
        return clips
    shape = (1, 3, *[1] * (clips.dim() - 2))
    mean = torch.tensor(spec.mean, device=clips.device).reshape(shape)
    std = torch.tensor(spec.std, device=clips.device).reshape(shape)
    return (clips.float() / 255 - mean) / std


def make_loss(settings: TrainingSettings, targets: Sequence[int], num_classes: int) -> nn.CrossEntropyLoss:
    """Cross entropy on logits; with class weights, each class that occurs counts the same in all."""
    weights = inverse_frequencies(targets, num_classes) if settings.class_weights else None
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=settings.label_smoothing)


def inverse_frequencies(targets: Sequence[int], num_classes: int) -> Optional[Tensor]:
    """Float32 (num_classes,): items per class on average over items of the class; 0 for a class without items."""
    counts = torch.bincount(torch.as_tensor(targets, dtype=torch.int64), minlength=num_classes).float()
    present = counts > 0
    weights = torch.zeros_like(counts)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights
