"""PyTorchVideo 0.1.5's X3D from its hub builders (in the peers' venv)."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np
import torch
from inputs import inputs
from shims import stand_in_for_torchvision

stand_in_for_torchvision()

from pytorchvideo.models.hub import x3d as hub  # noqa: E402


class PyTorchVideo:
    """A clip network; it has no counterpart of CoX3D."""

    def setup(self, task: Dict[str, Any]) -> None:
        """Build the network; without weights in its key scheme it keeps its random ones, which take the same time."""
        torch.set_num_threads(task["threads"])
        torch.manual_seed(0)
        self._model = getattr(hub, f"x3d_{task['size']}")().eval()
        if task["pytorchvideo_weights"]:
            weights = torch.load(task["pytorchvideo_weights"], weights_only=True)["model_state"]
            self._model.load_state_dict(weights)
        self._clip = inputs(task)[0]

    def call(self) -> np.ndarray:
        """One clip; float32 (classes,) probabilities: the network ends in a softmax."""
        with torch.inference_mode():
            return np.asarray(self._model(self._clip)[0])

    warm = call

    def release(self) -> None:
        """Nothing is kept."""
