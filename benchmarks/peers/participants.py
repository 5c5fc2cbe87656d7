"""What is compared: our bundles, the original OpenDR learners, and PyTorchVideo, behind one interface.

Each participant runs in a process of its own; the peers' processes run in the peers' virtual environment.
"""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType
from typing import Any, Dict, List, Optional

import numpy as np

PERIOD_NS = 200_000_000
# Names of torchvision that the peers import for jobs other than inference.
TORCHVISION: Dict[str, List[str]] = {
    "torchvision": [],
    "torchvision.io": [],
    "torchvision.ops": ["RoIAlign"],
    "torchvision.transforms": ["Compose"],
    "torchvision.transforms._transforms_video": [
        "CenterCropVideo",
        "NormalizeVideo",
        "RandomCropVideo",
        "RandomHorizontalFlipVideo",
        "RandomResizedCropVideo",
        "ToTensorVideo",
    ],
}


class Ours:
    """A bundle on ONNX Runtime through the public interface: a stream that takes every frame, or single clips."""

    def load(self) -> None:
        """Import what the participant needs."""
        from opendr_har_core import Frame, Recognizer

        self._frame, self._recognizer_type = Frame, Recognizer

    def setup(self, task: Dict[str, Any]) -> None:
        """Open the model and its inputs; see `material.py` for the task."""
        self._recognizer = self._recognizer_type.open(task["bundle"], threads=task["threads"])
        self._frames = np.load(task["frames"])
        self._clip = np.ascontiguousarray(self._frames[: task["window"]])[None]
        self._stream = self._recognizer.stream(sampling="every_frame")
        self._pushed = 0

    def call(self) -> Optional[np.ndarray]:
        """One frame or clip; float32 (classes,) probabilities, None during the warm-up."""
        if not self._recognizer.spec.is_continual:
            return self._recognizer.classify_clips(self._clip)[0]
        prediction = self._stream.push(
            self._frame(self._frames[self._pushed % len(self._frames)], self._pushed * PERIOD_NS)
        )
        self._pushed += 1
        return prediction.scores if prediction else None

    warm = call

    def release(self) -> None:
        """Free memory that the participant does not need."""


class Original(Ours):
    """OpenDR 3.0.0's `learner.infer` as its users call it: it records gradients, so its memory grows per frame."""

    def load(self) -> None:
        """Import the learners."""
        import pytorch_lightning  # noqa: F401  (looks for torchvision itself, so before the substitute)

        _substitute_torchvision()
        from opendr.perception.activity_recognition import CoX3DLearner, X3DLearner

        self._learners = {"x3d": X3DLearner, "cox3d": CoX3DLearner}

    def setup(self, task: Dict[str, Any]) -> None:
        """Build the learner with its defaults and load the weights."""
        import torch

        torch.set_num_threads(task["threads"])
        self._learner = self._learners[task["network"]](device="cpu", backbone=task["size"])
        self._learner._load_model_weights(task["weights"])  # `load` needs a folder that only `save` writes
        self._inputs = _inputs(task)
        self._calls = 0

    def call(self) -> Optional[np.ndarray]:
        """One `infer`."""
        results = self._learner.infer(self._inputs[self._calls % len(self._inputs)])
        self._calls += 1
        return results[0].confidence.detach().numpy() if results is not None else None

    def warm(self) -> Optional[np.ndarray]:
        """One `infer` without gradients: the same numbers, with bounded memory."""
        import torch

        with torch.no_grad():
            return Original.call(self)

    def release(self) -> None:
        """Drop the recorded graph but keep the state; getting freed memory again is faster, which favours the peer."""
        for module in self._learner.model.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = buffer.detach()
        ctypes.CDLL(None).malloc_trim(0)


class OriginalWithoutGradients(Original):
    """The same within torch.inference_mode, which its users would have to write themselves."""

    def call(self) -> Optional[np.ndarray]:
        """One `infer`."""
        import torch

        with torch.inference_mode():
            return super().call()

    warm = call


class PyTorchVideo(Ours):
    """PyTorchVideo 0.1.5's X3D; it has no counterpart of CoX3D."""

    def load(self) -> None:
        """Import the hub builders."""
        _substitute_torchvision()
        from pytorchvideo.models.hub import x3d

        self._hub = x3d

    def setup(self, task: Dict[str, Any]) -> None:
        """Build the network; without weights in its key scheme it keeps random ones, which take the same time."""
        import torch

        torch.set_num_threads(task["threads"])
        torch.manual_seed(0)
        self._model = getattr(self._hub, f"x3d_{task['size']}")().eval()
        if task["pytorchvideo_weights"]:
            self._model.load_state_dict(torch.load(task["pytorchvideo_weights"], weights_only=True)["model_state"])
        self._input = _inputs(task)[0]

    def call(self) -> np.ndarray:
        """One clip; the network ends in a softmax."""
        import torch

        with torch.inference_mode():
            return np.asarray(self._model(self._input)[0])

    warm = call


PARTICIPANTS = {
    "original": Original,
    "original, gradients off": OriginalWithoutGradients,
    "pytorchvideo": PyTorchVideo,
}  # all others are ours


def _inputs(task: Dict[str, Any]) -> List[Any]:
    """Standardized float tensors: a clip (1, 3, T, S, S) for "x3d", single frames (1, 3, S, S) for "cox3d"."""
    import torch

    frames = torch.from_numpy(np.load(task["frames"])).permute(3, 0, 1, 2).float()
    frames = ((frames / 255 - 0.45) / 0.225).contiguous()
    if task["network"] == "x3d":
        return [frames[None, :, : task["window"]].contiguous()]
    return [frames[None, :, index].contiguous() for index in range(frames.shape[1])]


def _substitute_torchvision() -> None:
    """Make `import torchvision` succeed where it is not installed: it does not fit the CPU build of torch.

    Inference calls nothing of it. The real package takes longer to import, so this favours the peers' start-up time.
    """
    try:
        import torchvision  # noqa: F401
    except ImportError:
        for name, contents in TORCHVISION.items():
            module = sys.modules[name] = ModuleType(name)
            vars(module).update(dict.fromkeys(contents, object), __version__="none")
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
