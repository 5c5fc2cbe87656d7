"""How often a network is right: over clips, or frame by frame as a stream runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import NONE
from opendr_har_core.training.data import check_classes, check_items
from opendr_har_core.training.loss import standardised

TOP = 5


@dataclass(frozen=True)
class EvalReport:
    """What an evaluation found.

    Attributes:
        accuracy, top5: share of clips (0..1) whose class had the best score, or one of the five best.
        loss: mean cross entropy.
        per_class: accuracy for each class that occurred.
        confusion: int64 (C, C), number of clips by true class (row) and predicted class (column).
        count: number of clips.
    """

    accuracy: float
    top5: float
    loss: float
    per_class: Dict[str, float]
    confusion: np.ndarray
    count: int

    def to_dict(self) -> Dict[str, Any]:
        """The report under OpenDR's names, as JSON-ready values."""
        return {
            "accuracy": self.accuracy,
            "top5": self.top5,
            "loss": self.loss,
            "per_class": dict(self.per_class),
            "confusion": self.confusion.tolist(),
            "count": self.count,
        }


def evaluate(
    network: X3D,
    dataset: Any,
    *,
    batch_size: int = 64,
    steps: Optional[int] = None,
    num_workers: int = 0,
    device: str = "cpu",
    stepwise: Optional[bool] = None,
) -> EvalReport:
    """Classify the clips of `dataset`, or of its first `steps` batches.

    With `stepwise` a CoX3D sees each clip frame by frame, see `step_over_clips`; None does so without lookahead, where
    that is what a robot runs and what clips give. Raises ConfigError when it is asked of a clip network or the classes
    differ in number, DataError for a dataset without clips.
    """
    if stepwise is None:
        stepwise = isinstance(network, CoX3D) and network.spec.lookahead == NONE
    if stepwise and not isinstance(network, CoX3D):
        raise ConfigError("only a CoX3D can be evaluated frame by frame; leave stepwise out, or choose cox3d")
    if steps is not None and steps < 1:
        raise ConfigError(f"steps is {steps}, expected one or more, or None for all")
    check_classes(dataset.labels, network.num_classes, "evaluation")
    check_items(dataset, "evaluation")
    kept = dataset if steps is None else Subset(dataset, range(min(len(dataset), steps * batch_size)))
    logits, classes = _all_logits(network, DataLoader(kept, batch_size, num_workers=num_workers), device, stepwise)
    return score(logits, classes, list(dataset.labels))


def score(logits: Tensor, classes: Tensor, labels: List[str]) -> EvalReport:
    """The report of logits (N, C) for true class ids (N,)."""
    ranked = logits.argsort(dim=1, descending=True)
    hits = ranked == classes[:, None]
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (classes.numpy(), ranked[:, 0].numpy()), 1)
    per_class = {
        label: float(confusion[index, index] / confusion[index].sum())
        for index, label in enumerate(labels)
        if confusion[index].sum()
    }
    return EvalReport(
        accuracy=float(hits[:, 0].float().mean()),
        top5=float(hits[:, :TOP].any(dim=1).float().mean()),
        loss=float(F.cross_entropy(logits, classes)),
        per_class=per_class,
        confusion=confusion,
        count=len(classes),
    )


def step_over_clips(network: CoX3D, clips: Tensor) -> Tensor:
    """Standardised clips (B, 3, T, S, S) -> logits (B, num_classes) of a CoX3D after the last frame.

    With lookahead the clip is repeated end to end, so that every layer has a real past and future instead of temporal
    padding, and stepped until the window of the last output ends with the clip's last frame; a window as long as the
    clip covers exactly the clip. Without, the stream begins with the clip.
    """
    frames = clips.shape[2]
    delay = network.config.delay
    before = max(delay, network.window - frames) if delay else 0
    state = network.initial_state(len(clips), clips.shape[-1])
    logits = clips.new_zeros(0)
    for step in range(before + frames + delay):
        logits, state = network.step(clips[:, :, (step - before) % frames], state)
    return logits


@torch.inference_mode()
def _all_logits(network: X3D, loader: DataLoader, device: str, stepwise: bool) -> Tuple[Tensor, Tensor]:
    place = torch.device(device if device != "cuda" or torch.cuda.is_available() else "cpu")
    home = next(network.parameters()).device
    training = network.training
    network.to(place).eval()
    outputs: List[Tensor] = []
    targets: List[Tensor] = []
    try:
        for clips, classes in loader:
            x = standardised(clips.to(place), network.spec)
            stepping = stepwise and isinstance(network, CoX3D)
            outputs.append((step_over_clips(network, x) if stepping else network(x)).float().cpu())  # type: ignore[arg-type]
            targets.append(classes)
    finally:
        network.to(home).train(training)
    return torch.cat(outputs), torch.cat(targets)
