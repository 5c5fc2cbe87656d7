"""Checkpoints of training: progress, weights and optimizer in a file of tensors and plain values.

The weights are under `model_state`, as in published files, so everything that reads weights reads a checkpoint.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor

from opendr_har_core.errors import CheckpointError
from opendr_har_core.networks.checkpoint_metadata import NetworkFacts, read_tensor_file
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage.atomic import atomic_path

FORMAT = 1
BEST, LAST = "best.ckpt", "last.ckpt"
Row = Dict[str, float]
PathLike = Union[str, Path]


@dataclass
class Progress:
    """State of a run that a checkpoint stores; all counts include the steps before a resume.

    Attributes:
        step: updates of the weights so far.
        epoch, batch: the current epoch (from zero), and how many of its batches are done.
        history: one row of numbers per finished epoch.
        best_weights: state_dict of the network after the best epoch.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    history: List[Row] = field(default_factory=list)
    best_weights: Optional[Dict[str, Tensor]] = None

    @property
    def best(self) -> Optional[Row]:
        """Row of the best epoch: highest validation accuracy, then lowest loss; None before the first one."""
        return max(self.history, key=_rank, default=None)

    @property
    def losses(self) -> List[float]:
        """Loss of each finished epoch: of the validation data if there is any, otherwise of training."""
        return [_loss(row) for row in self.history]

    def end_epoch(self, row: Row, weights: Mapping[str, Tensor]) -> bool:
        """Add an epoch's row; returns whether it is the best so far, and then keeps a copy of the weights."""
        self.history.append(row)
        is_best = self.best is row
        if is_best:
            self.best_weights = {key: tensor.detach().cpu().clone() for key, tensor in weights.items()}
        return is_best

    def to_dict(self) -> Dict[str, Any]:
        """Plain values and tensors."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _loss(row: Row) -> float:
    return row.get("val_loss", row["train_loss"])


def _rank(row: Row) -> Tuple[float, float]:
    loss = _loss(row)
    return row.get("val_accuracy", 0.0), -math.inf if math.isnan(loss) else -loss


def step_name(step: int) -> str:
    """File name of the checkpoint after `step` updates."""
    return f"step_{step:08d}.ckpt"


def save_checkpoint(content: Dict[str, Any], path: PathLike) -> None:
    """Write a checkpoint atomically; if that fails, the previous file stays.

    Raises CheckpointError when the disk is full or the folder can't be written.
    """
    buffer = io.BytesIO()  # PyTorch's own writer reports a full disk as "unexpected pos"
    torch.save({"format": FORMAT, **content}, buffer)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"can't write the checkpoint {path}: {error}; free space or choose another checkpoint_folder "
            f"(earlier checkpoints are intact)"
        ) from error


def read_checkpoint(path: PathLike) -> Dict[str, Any]:
    """Read a checkpoint of training; raises CheckpointError for a missing, damaged or unrelated file."""
    path = Path(path)
    if not path.is_file():
        names = sorted(file.name for file in path.parent.glob("[!.]*.ckpt"))
        raise CheckpointError(f"there is no checkpoint {path}; {path.parent} holds {names or 'no checkpoints'}")
    content = read_tensor_file(path, "a checkpoint of training")
    if content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a training checkpoint of format {FORMAT}; to start from its weights, load them instead"
        )
    return content


def path_of_step(folder: PathLike, step: int) -> Path:
    """Path of the checkpoint after `step` updates; an interrupted run leaves it as the last one."""
    path = Path(folder) / step_name(step)
    return Path(folder) / LAST if not path.is_file() and last_step(folder) == step else path


def last_step(folder: PathLike) -> int:
    """Step of the last checkpoint in `folder`, to resume from; 0 if there is none."""
    path = Path(folder) / LAST
    return progress_of(read_checkpoint(path), path).step if path.is_file() else 0


def progress_of(content: Mapping[str, Any], path: PathLike) -> Progress:
    """Progress that a checkpoint stores; raises CheckpointError if it is missing or damaged."""
    try:
        progress = Progress(**content["progress"])
        progress.history = [dict(row) for row in progress.history]
        if min(progress.step, progress.epoch, progress.batch) < 0:
            raise ValueError("negative counts")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has no usable progress ({error!r}); resume from another checkpoint") from None
    return progress


def restore_network(network: X3D, labels: Sequence[str], content: Mapping[str, Any], path: PathLike) -> None:
    """Load a checkpoint's weights into `network`.

    Raises CheckpointError if the run used another network or other classes, or if the weights don't fit.
    """
    facts = NetworkFacts.of(content, path)
    if facts is None:
        raise CheckpointError(f"{path} does not say which network it belongs to; start another run from its weights")
    before = {**facts.spec.to_dict(), "labels": list(facts.labels)}
    now = {**network.spec.to_dict(), "labels": [str(name) for name in labels]}
    differing = [name for name in before if before[name] != now[name]]
    if differing:
        was, wanted = ({name: values[name] for name in differing} for values in (before, now))
        raise CheckpointError(
            f"{path} is of a run with {was}, which can't continue with {wanted}; resume with the same, or start "
            "another run from its weights, in another folder"
        )
    try:
        network.load_state_dict(content["model_state"])
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        raise CheckpointError(f"{path} is of another network: {' '.join(str(error).split())[:300]}") from None
