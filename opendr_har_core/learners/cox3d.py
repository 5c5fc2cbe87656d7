"""CoX3DLearner, which classifies streams frame by frame."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
from torch import Tensor

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.errors import DataError, ModelError
from opendr_har_core.learners.arguments import DEFAULT_BACKBONE, DEFAULT_LOOKAHEAD, LearnerArguments
from opendr_har_core.learners.base import Learner
from opendr_har_core.learners.inputs import Batch, read_batch
from opendr_har_core.learners.stepping import History, SharedHistory, SteppingCoX3D, new_history, step
from opendr_har_core.learners.types import Category, Image
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import CONTINUAL, ModelSpec


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
        backbone: str = DEFAULT_BACKBONE,
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
        lookahead: str = DEFAULT_LOOKAHEAD,
    ) -> None:
        """A CoX3D with random weights; raises ConfigError for a value that is not allowed."""
        self._shared = SharedHistory()
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
        history = self._shared.current
        return self.spec.silent_frames == 0 or (history is not None and history.steps > self.spec.silent_frames)

    def reset(self) -> None:
        """Start a new stream with the next frame."""
        self._shared.current = None

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
        pixels = frames.whole_pixels(self.spec) if self._optimised is not None else None
        history = self._shared.current
        obstacle = self._obstacle(history, frames, pixels) if history is not None else ""
        if history is None or obstacle:
            history = self._new_history(frames, pixels)
        scores = self._step(history, frames, pixels)
        self._shared.current = history
        if obstacle:
            warnings.warn(f"{obstacle}; a new stream starts", stacklevel=2)
        return self._categories(scores) if self.warm else []

    def _obstacle(self, history: History, frames: Batch, pixels: Optional[np.ndarray]) -> str:
        """Why these frames can't continue the history, or ""."""
        shape = _shape(frames)
        if history.shape != shape:
            return f"the frames before had (rows, side) {history.shape}, these have {shape}"
        if history.backend is None:
            return ""
        if pixels is None:
            return "the frames before were pixels, these are floats that don't come from pixels and run in torch"
        return "" if self._graph() is history.backend else "the network has changed"

    def _new_history(self, frames: Batch, pixels: Optional[np.ndarray]) -> History:
        if pixels is None:
            return new_history(self._stepping(), _shape(frames))
        backend = self._graph()
        return History(backend, backend.state([None] * len(pixels)), _shape(frames))

    def _step(self, history: History, frames: Batch, pixels: Optional[np.ndarray]) -> np.ndarray:
        if history.backend is not None and pixels is not None:
            found = history.backend.step(list(pixels), history.state)
            history.steps += 1
            return found
        logits = step(self._stepping(), frames.standardized(self.spec, self.device), history)
        scores: np.ndarray = logits.softmax(dim=1).numpy()
        return scores

    def _graph(self) -> OnnxBackend:
        if self._optimised is None:
            raise DataError("the graph of this stream no longer exists; call reset()")
        return self._optimised.backend(self.model, self.labels)

    def _stepping(self) -> CoX3D:
        network = self._network("run on floats other than standardised pixels")
        if not isinstance(network, CoX3D):
            raise DataError(f"a CoX3DLearner steps a CoX3D, its model is a {type(network).__name__}")
        return network

    def _build(self, config: X3DConfig, num_classes: int) -> X3D:
        return SteppingCoX3D(config, num_classes, self._arguments.temporal_window_size, self._shared)

    def _take_form(self, spec: ModelSpec) -> None:
        """The saved window and lookahead, unless the constructor was given others."""
        if spec.is_continual:
            saved = {"temporal_window_size": spec.window, "lookahead": spec.lookahead}
            form = {name: self._chosen.get(name, value) for name, value in saved.items()}
            self._arguments = replace(self._arguments, **form)

    def _check_form(self, path: Path, spec: ModelSpec) -> None:
        for name, found in (("temporal_window_size", spec.window), ("lookahead", spec.lookahead)):
            if self._chosen.get(name, found) != found:
                raise ModelError(
                    f"{path} has {name} {found!r}, the learner was given {self._chosen[name]!r}; a bundle can't be "
                    f"changed: leave the argument out, or load the weights that it was made from"
                )


def _shape(frames: Batch) -> Tuple[int, int]:
    """(rows, side); raises DataError for floats that are not square."""
    if frames.pixels is not None:
        return len(frames.pixels), frames.pixels.shape[1]
    size = tuple(frames.floats.shape) if frames.floats is not None else (0, 0)
    if size[-1] != size[-2]:
        raise DataError(f"standardised frames must be square, got {size}")
    return size[0], size[-1]
