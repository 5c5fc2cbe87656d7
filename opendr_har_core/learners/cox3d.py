"""CoX3DLearner, which classifies streams frame by frame, and its network with OpenDR's stateful methods."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
import torch
from torch import Tensor

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.protocol import check_finite
from opendr_har_core.backends.torch import few_threads
from opendr_har_core.errors import DataError
from opendr_har_core.learners.arguments import LearnerArguments
from opendr_har_core.learners.base import Learner
from opendr_har_core.learners.inputs import read_batch
from opendr_har_core.learners.types import Category, Image
from opendr_har_core.networks.config import X3DConfig, x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.layers import TemporalConv
from opendr_har_core.networks.x3d import X3D, standardized
from opendr_har_core.spec import CONTINUAL, FULL


class SteppingCoX3D(CoX3D):
    """A CoX3D that keeps the state of its streams, which the learner's `infer` continues.

    Attributes:
        steps: number of frames since the last reset.
        shape: (rows, side) of these frames; None without any.
    """

    def __init__(self, config: X3DConfig, num_classes: int, window: Optional[int]) -> None:
        super().__init__(config, num_classes, window)
        self.clean_state()

    @property
    def receptive_field(self) -> int:
        """Number of frames that a result depends on."""
        taps = [layer.taps for layer in self.modules() if isinstance(layer, TemporalConv)]
        return self.window + sum(taps) - len(taps)

    def clean_state(self) -> None:
        """Forget all frames, like the learner's `reset`."""
        self.steps = 0
        self._state: Any = None
        self.shape: Optional[Tuple[int, int]] = None

    def clean_model_state(self) -> None:
        """Name of `clean_state` in OpenDR's first versions."""
        self.clean_state()

    def forward_step(self, frames: Tensor) -> Optional[Tensor]:
        """Frames (B, 3, S, S), uint8 or standardised -> logits (B, num_classes) on the CPU; None during warm-up.

        Frames of another shape start new streams. Raises BackendError, and leaves the streams unchanged, if a logit is
        not finite.
        """
        frames = standardized(frames.to(self.head.projection.weight.device), self.spec)
        if self.training:
            self.eval()
        with torch.inference_mode(), few_threads():
            shape = (len(frames), frames.shape[-1])
            is_new = self.shape != shape
            state = self.initial_state(*shape) if is_new else self._state
            logits, state = self.step(frames, state)
            found = logits.float().cpu()
        check_finite(found.numpy())
        self._state, self.shape, self.steps = state, shape, 1 if is_new else self.steps + 1
        return found if self.steps > self.spec.silent_frames else None

    def forward_steps(self, clips: Tensor) -> Optional[Tensor]:
        """Clips (B, 3, T, S, S), frame by frame -> logits (B, num_classes, results), or None."""
        found = [logits for logits in map(self.forward_step, clips.unbind(2)) if logits is not None]
        return torch.stack(found, dim=2) if found else None


@dataclass
class GraphStream:
    """Streams on a graph since the last reset: its state, (rows, side) and number of the frames."""

    backend: OnnxBackend
    state: Any
    shape: Tuple[int, int]
    steps: int = 0


class CoX3DLearner(Learner):
    """OpenDR's learner of CoX3D, with its arguments, methods and defaults (see `LearnerArguments`)."""

    architecture = CONTINUAL

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
        temporal_window_size: Optional[int] = None,
        lookahead: Optional[str] = None,
    ) -> None:
        """A CoX3D with random weights; raises ConfigError for a value that is not allowed."""
        self._stream: Optional[GraphStream] = None
        super().__init__(LearnerArguments.of(locals()))

    @property
    def temporal_window_size(self) -> int:
        """Steps over which a result is averaged."""
        return self.spec.window

    @property
    def lookahead(self) -> str:
        """Whether results wait for future frames ("full") or are about the newest frame ("none")."""
        return self.spec.lookahead

    @property
    def warm(self) -> bool:
        """Whether the last `infer` returned a result; always True without lookahead."""
        return self.spec.silent_frames == 0 or self._running()[2] > self.spec.silent_frames

    def reset(self) -> None:
        """Start a new stream with the next frame."""
        self._stream = None
        if isinstance(self.model, SteppingCoX3D):
            self.model.clean_state()

    def eval(self, dataset: Any, steps: Optional[int] = None, as_clips: bool = False) -> Dict[str, Any]:
        """Evaluate frame by frame in steady state, or on whole clips with `as_clips`: accuracy, loss, top5, ...

        Uses all clips of `dataset`, or its first `steps` batches, and does not affect the stream of `infer`. Raises
        ConfigError or DataError for a dataset that does not fit.
        """
        return self._evaluate(dataset, steps, stepwise=not as_clips)

    def infer(self, batch: Union[Image, List[Image], Tensor, np.ndarray]) -> List[Category]:
        """Step over one image (3, H, W), or over one of each stream in a batch (B, 3, H, W) or list.

        Returns [] for the first `spec.silent_frames` frames, the warm-up. Without lookahead there are none; there, the
        first `spec.warm_up` results average over fewer frames than the window. uint8 RGB is cropped, resized and
        standardised; floats are taken as standardised. Another number of streams or size of floats than before starts
        new streams, with a warning. Raises DataError for other input, which does not affect the streams.
        """
        frames = read_batch(batch, Image, self.spec)
        shape, (backend, before, _) = frames.rows_and_side, self._running()
        graph, pixels = self._graph_and_pixels(frames)
        if backend is None and before == shape:
            graph = None  # streams that began in PyTorch stay there
        if graph is None:
            self._stepping()  # may raise, before the streams change
        obstacle = ""
        if before not in (None, shape):
            obstacle = f"the frames before had (rows, side) {before}, these have {shape}"
        elif before is not None and backend is not graph:
            reason = "these floats don't come from pixels, so they run in torch"
            obstacle = "the network has changed" if graph else reason
        if obstacle:
            self.reset()
            warnings.warn(f"{obstacle}; a new stream starts", stacklevel=2)
        if graph is not None:
            return self._step(graph, pixels, shape)
        logits = self._stepping().forward_step(frames.standardized(self.spec, self.device))
        return [] if logits is None else self._categories(logits.softmax(dim=1).numpy())

    def _step(self, graph: OnnxBackend, pixels: np.ndarray, shape: Tuple[int, int]) -> List[Category]:
        if self._stream is None:
            self._stream = GraphStream(graph, graph.state([None] * shape[0]), shape)
        outputs = graph.step(list(pixels), self._stream.state)
        self._stream.steps += 1
        return self._judged(graph, outputs) if self.warm else []

    def _running(self) -> Tuple[Optional[OnnxBackend], Optional[Tuple[int, int]], int]:
        """Graph (None: PyTorch), shape and number of frames of the current streams."""
        if self._stream is not None:
            return self._stream.backend, self._stream.shape, self._stream.steps
        network = self.model
        return (None, network.shape, network.steps) if isinstance(network, SteppingCoX3D) else (None, None, 0)

    def _stepping(self) -> SteppingCoX3D:
        network = self._network("run on floats other than standardised pixels")
        if not isinstance(network, SteppingCoX3D):
            raise DataError(f"a CoX3DLearner steps its own CoX3D, its model is a {type(network).__name__}")
        return network

    def _build(self, size: str, num_classes: int) -> X3D:
        arguments = self._arguments
        config = x3d_config(size, arguments.lookahead or FULL)
        return SteppingCoX3D(config, num_classes, arguments.temporal_window_size)
