"""The original: OpenDR 3.0.0's X3DLearner and CoX3DLearner, called as its users call them (in the peers' venv)."""

from __future__ import annotations

import ctypes
from typing import Any, Dict, Optional

import numpy as np
import pytorch_lightning  # noqa: F401  (before the stand-in, see there)
import torch
from inputs import inputs
from shims import stand_in_for_torchvision

stand_in_for_torchvision()

from opendr.perception.activity_recognition import CoX3DLearner, X3DLearner  # noqa: E402

LEARNERS = {"x3d": X3DLearner, "cox3d": CoX3DLearner}


class Original:
    """`learner.infer` as it is: it records gradients, so that a stream's memory grows by every frame's graph."""

    def setup(self, task: Dict[str, Any]) -> None:
        """Build the learner with its defaults, load the weights, prepare the inputs."""
        torch.set_num_threads(task["threads"])
        self._learner = LEARNERS[task["network"]](device="cpu", backbone=task["size"])
        self._learner._load_model_weights(task["weights"])  # `load` wants a folder that only `save` writes
        self._inputs = inputs(task)
        self._calls = 0

    def call(self) -> Optional[np.ndarray]:
        """One `infer`; float32 (classes,) probabilities, None while warming up."""
        return self._infer()

    def warm(self) -> Optional[np.ndarray]:
        """One `infer` without gradients: the same numbers, and memory that stays in bounds over a long warm-up."""
        with torch.no_grad():
            return self._infer()

    def release(self) -> None:
        """Forget the recorded graph but not the state: between turns, so that the machine is not swamped.

        The calls that are timed record as much as ever; they may find memory ready to be used again, which favours
        the peer.
        """
        for module in self._learner.model.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = buffer.detach()
        ctypes.CDLL(None).malloc_trim(0)

    def _infer(self) -> Optional[np.ndarray]:
        results = self._learner.infer(self._inputs[self._calls % len(self._inputs)])
        self._calls += 1
        return results[0].confidence.detach().numpy() if results is not None else None


class OriginalWithoutGradients(Original):
    """The same within torch.inference_mode, which its users would have to write themselves."""

    def call(self) -> Optional[np.ndarray]:
        """One `infer`; float32 (classes,) probabilities, None while warming up."""
        with torch.inference_mode():
            return self._infer()

    warm = call
