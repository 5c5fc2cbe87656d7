"""Checkpoints of training: tensors and plain values, so that reading one runs no code.

The network's weights are under `model_state`, as in published files: `checkpoints.load_weights` and
`opendr-har export` read a checkpoint of training as they read those.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, Dict, Sequence, Tuple, Union

import torch

from opendr_har_core.errors import CheckpointError
from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
from opendr_har_core.networks.tensor_file import read_tensor_file
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import FULL, ModelSpec
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.training.progress import Progress

FORMAT = 1
BEST, LAST = "best.ckpt", "last.ckpt"


def step_name(step: int) -> str:
    """File name of the checkpoint after `step` updates."""
    return f"step_{step:08d}.ckpt"


def save_checkpoint(content: Dict[str, Any], path: Union[str, Path]) -> None:
    """Write a checkpoint, whole or not at all: where that fails, what was there before stays.

    Raises CheckpointError when the disk is full or the folder can't be written.
    """
    # By way of memory: PyTorch's own writer reports a full disk as "unexpected pos".
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"can't write the checkpoint {path}: {error}; free space or choose another checkpoint_folder "
            f"(checkpoints written before are intact)"
        ) from error


def read_checkpoint(path: Union[str, Path]) -> Dict[str, Any]:
    """Read a checkpoint of training; raises CheckpointError for a missing, broken or foreign file."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; {_present(path.parent)}")
    content = read_tensor_file(path, "a checkpoint of training")
    if content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of training of format {FORMAT}; to start from it, load weights")
    return content


def path_of_step(folder: Union[str, Path], step: int) -> Path:
    """Where the checkpoint after `step` updates is; an interrupted run has left it as the last one."""
    path = Path(folder) / step_name(step)
    return Path(folder) / LAST if not path.is_file() and last_step(folder) == step else path


def checkpoint_of_step(folder: Union[str, Path], step: int) -> Tuple[Path, Dict[str, Any]]:
    """The checkpoint after `step` updates, and its path."""
    path = path_of_step(folder, step)
    return path, read_checkpoint(path)


def last_step(folder: Union[str, Path]) -> int:
    """The step of the last checkpoint in `folder`, to resume from; 0 where there is none."""
    path = Path(folder) / LAST
    return progress_of(read_checkpoint(path), path).step if path.is_file() else 0


def progress_of(content: Dict[str, Any], path: Union[str, Path]) -> Progress:
    """How far the run of a checkpoint had come; raises CheckpointError where it does not say."""
    try:
        return Progress.from_dict(content["progress"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not say how far its run had come ({error!r}); resume from another"
        ) from None


def check_network(content: Dict[str, Any], spec: ModelSpec, labels: Sequence[str], path: Union[str, Path]) -> None:
    """Raises CheckpointError where a run would go on with another network, or other classes, than it began with."""
    facts = NetworkFacts.of(content, path)
    # Before checkpoints said it, every network had full lookahead.
    before = {"lookahead": FULL} if facts is None else {**facts.spec.to_dict(), "labels": list(facts.labels)}
    now = {**spec.to_dict(), "labels": [str(name) for name in labels]}
    differing = [name for name in before if before[name] != now[name]]
    if differing:
        was, wanted = ({name: values[name] for name in differing} for values in (before, now))
        raise CheckpointError(
            f"{path} is of a run with {was}, which can't go on with {wanted}; resume with the same, or start another "
            "run from its weights, in another folder"
        )


def restore_network(network: X3D, content: Dict[str, Any], path: Union[str, Path]) -> None:
    """Put a checkpoint's weights into `network`; raises CheckpointError when they don't fit."""
    try:
        network.load_state_dict(content["model_state"])
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        raise CheckpointError(f"{path} is of another network: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:300]


def _present(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("[!.]*.ckpt"))
    return f"{folder} holds {names}" if names else f"{folder} holds no checkpoints"
