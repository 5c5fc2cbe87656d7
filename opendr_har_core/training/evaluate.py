"""Evaluate a network on labelled clips, whole or frame by frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from opendr_har_core.errors import ConfigError
from opendr_har_core.media.figures import new_figure, save_figure
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D, standardized
from opendr_har_core.spec import NONE
from opendr_har_core.training.data import check_dataset

TOP = 5
MOST_NUMBERS = 30  # with more classes, the numbers in the cells of a chart are too small to read


@dataclass(frozen=True)
class EvalReport:
    """Result of an evaluation.

    Attributes:
        accuracy, top5: share of clips (0..1) whose class had the best score, or one of the five best.
        loss: mean cross entropy.
        per_class: accuracy of each class that has clips.
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
        return {**asdict(self), "confusion": self.confusion.tolist()}


def evaluate(
    network: X3D,
    dataset: Any,
    *,
    batch_size: int = 64,
    steps: Optional[int] = None,
    num_workers: int = 0,
    device: str = "cpu",
    stepwise: Optional[bool] = None,
    listener: Optional[Callable[[int, int], None]] = None,
) -> EvalReport:
    """Classify the clips of `dataset`, or of its first `steps` batches.

    With `stepwise` a CoX3D sees each clip frame by frame (see `step_over_clips`). None means frame by frame for a CoX3D
    without lookahead, which gives the same result as whole clips. `listener` is called after each batch with the number
    of clips done and the number of all. Raises ConfigError for `stepwise` with a clip network or another number of
    classes, DataError for an object that is not a dataset, or has no clips.
    """
    if stepwise is None:
        stepwise = isinstance(network, CoX3D) and network.spec.lookahead == NONE
    if stepwise and not isinstance(network, CoX3D):
        raise ConfigError("only a CoX3D can be evaluated frame by frame; leave stepwise out, or choose cox3d")
    if steps is not None and (type(steps) is not int or steps < 1):
        raise ConfigError(f"steps is {steps!r}, expected a whole number, 1 or more, or None for all")
    check_dataset(dataset, network.num_classes, "evaluation")
    kept = dataset if steps is None else Subset(dataset, range(min(len(dataset), steps * batch_size)))
    loader = DataLoader(kept, batch_size, num_workers=num_workers)
    outputs: List[Tensor] = []
    targets: List[Tensor] = []
    for logits, classes in _batches(network, loader, device, stepwise):
        outputs.append(logits)
        targets.append(classes)
        if listener is not None:
            listener(sum(map(len, targets)), len(kept))
    return score(torch.cat(outputs), torch.cat(targets), list(dataset.labels))


def score(logits: Tensor, classes: Tensor, labels: List[str]) -> EvalReport:
    """Report of logits (N, C) for true class ids (N,)."""
    count = len(labels)
    confusion = multiclass_confusion_matrix(logits, classes, count)
    totals = confusion.sum(dim=1)
    recall = confusion.diagonal() / totals
    return EvalReport(
        accuracy=float(multiclass_accuracy(logits, classes, count, average="micro")),
        top5=float(multiclass_accuracy(logits, classes, count, average="micro", top_k=min(TOP, count))),
        loss=float(F.cross_entropy(logits, classes)),
        per_class={label: float(recall[index]) for index, label in enumerate(labels) if totals[index]},
        confusion=confusion.numpy(),
        count=len(classes),
    )


def confusion_picture(confusion: np.ndarray, labels: Sequence[str], path: Union[str, Path], title: str = "") -> Path:
    """Write a (C, C) matrix of counts, true classes as rows, as a PNG.

    Raises ConfigError without matplotlib, DataError if the file can't be written.
    """
    count = len(labels)
    figure = new_figure(2.5 + 0.45 * count, 2.0 + 0.45 * count)
    axes = figure.subplots()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(count), labels, rotation=45, ha="right")
    axes.set_yticks(range(count), labels)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    for row, column in zip(*np.nonzero(confusion)) if count <= MOST_NUMBERS else ():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour)
    return save_figure(figure, path)


def step_over_clips(network: CoX3D, clips: Tensor) -> Tensor:
    """Standardised clips (B, 3, T, S, S) -> logits (B, num_classes) of a CoX3D after the last frame.

    With lookahead the clip is repeated, so that every layer has real past and future frames instead of padding, and
    stepped until the window of the last output ends with the clip's last frame; a window as long as the clip covers
    exactly the clip. Without lookahead, the stream begins with the clip.
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
def _batches(network: X3D, loader: DataLoader, device: str, stepwise: bool) -> Iterator[Tuple[Tensor, Tensor]]:
    """Logits (B, num_classes) and class ids (B,) of each batch, on the CPU."""
    place = torch.device(device if device != "cuda" or torch.cuda.is_available() else "cpu")
    home = next(network.parameters()).device
    training = network.training
    network.to(place).eval()
    try:
        for clips, classes in loader:
            x = standardized(clips.to(place), network.spec)
            stepping = stepwise and isinstance(network, CoX3D)
            logits = step_over_clips(network, x) if stepping else network(x)  # type: ignore[arg-type]
            yield logits.float().cpu(), classes
    finally:
        network.to(home).train(training)
