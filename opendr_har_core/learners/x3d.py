"""X3DLearner, which classifies clips."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Union

import numpy as np
import torch
from torch import Tensor

from opendr_har_core.backends.protocol import check_finite
from opendr_har_core.errors import DataError
from opendr_har_core.learners.arguments import LearnerArguments
from opendr_har_core.learners.base import Learner
from opendr_har_core.learners.inputs import read_batch
from opendr_har_core.learners.types import Category, Video
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import CLIP


class X3DLearner(Learner):
    """OpenDR's learner of X3D, with its arguments, methods and defaults (see `LearnerArguments`)."""

    architecture = CLIP

    def __init__(
        self,
        lr: float = 1e-3,
        iters: int = 10,
        batch_size: int = 64,
        optimizer: str = "adam",
        lr_schedule: str = "",
        backbone: str = "s",
        network_head: str = "classification",
        checkpoint_after_iter: int = 0,
        checkpoint_load_iter: int = 0,
        temp_path: str = "",
        device: str = "cuda",
        loss: str = "cross_entropy",
        weight_decay: float = 1e-5,
        momentum: float = 0.9,
        drop_last: bool = True,
        pin_memory: bool = False,
        num_workers: int = 0,
        seed: int = 123,
        num_classes: int = 400,
    ) -> None:
        """An X3D with random weights; raises ConfigError for a value that is not allowed."""
        super().__init__(LearnerArguments.of(locals()))

    def eval(self, dataset: Any, steps: Optional[int] = None) -> Dict[str, Any]:
        """Evaluate on `dataset`, or on its first `steps` batches: accuracy, loss, top5, per_class, confusion.

        Raises ConfigError or DataError for a dataset that does not fit.
        """
        return self._evaluate(dataset, steps, stepwise=False)

    def infer(self, batch: Union[Video, List[Video], Tensor, np.ndarray]) -> List[Category]:
        """Classify a clip (3, T, H, W), or each of a batch (B, 3, T, H, W) or list; T is `spec.window`.

        uint8 RGB is cropped, resized and standardised; floats are taken as standardised. After `optimize`, floats that
        are not standardised pixels still run in PyTorch. Raises DataError for other input.
        """
        clips = read_batch(batch, Video, self.spec)
        length = clips.pixels.shape[1] if clips.floats is None else clips.floats.shape[2]
        if length != self.spec.window:
            raise DataError(f"{self.spec.name} takes clips of {self.spec.window} frames, got {length}")
        graph, pixels = self._graph_and_pixels(clips)
        if graph is not None:
            return self._judged(graph, graph.classify(pixels))
        network = self._network("run on floats other than standardised pixels").eval()
        with torch.inference_mode():
            scores = network(clips.standardized(self.spec, self.device)).softmax(dim=1).cpu().numpy()
        check_finite(scores)
        return self._categories(scores)

    def _build(self, size: str, num_classes: int) -> X3D:
        return X3D(x3d_config(size), num_classes)
