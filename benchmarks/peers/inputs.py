"""What the peers compute on: uint8 frames into standardised tensors, done before the clock starts."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
import torch
from torch import Tensor


def standardised(path: str) -> Tensor:
    """The uint8 (T, S, S, 3) frames of a .npy file as float32 (3, T, S, S), the way the networks were trained."""
    frames = torch.from_numpy(np.load(path)).permute(3, 0, 1, 2).float()
    return ((frames / 255 - 0.45) / 0.225).contiguous()


def inputs(task: Dict[str, Any]) -> List[Tensor]:
    """All inputs of a task: a clip (1, 3, T, S, S) for "x3d", single frames (1, 3, S, S) for "cox3d"."""
    frames = standardised(task["frames"])
    if task["network"] == "x3d":
        return [frames[None, :, : task["window"]].contiguous()]
    return [frames[None, :, index].contiguous() for index in range(frames.shape[1])]
