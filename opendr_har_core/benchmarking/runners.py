"""One evaluation of a model as something to call: uint8 frames, already cropped, in; probabilities out.

This is the only place where the benchmark touches models, so that it follows them when their interface changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Protocol, Sequence, Union

import numpy as np

from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.sampling import EVERY_FRAME

# Enough different frames that nothing can be kept from one to the next, few enough to stay small.
FRAMES_KEPT = 8
STEP_NS = NANOSECONDS // 5


class Runner(Protocol):
    """A model with inputs at hand.

    Attributes:
        spec: what the model is.
        provider: what computes, for people.
    """

    spec: ModelSpec
    provider: str

    def run(self) -> object:
        """One evaluation of the whole batch: a step of each stream, or one call with all clips."""
        ...


class StreamRunner:
    """A CoX3D bundle through the public interface: `batch` streams, each pushed one frame a run."""

    def __init__(self, recognizer: Recognizer, batch: int) -> None:
        self.spec, self.provider = recognizer.spec, recognizer.provider
        self._recognizer = recognizer
        self._streams = [recognizer.stream(sampling=EVERY_FRAME) for _ in range(batch)]
        self._images = random_images(self.spec, FRAMES_KEPT)
        self._step = 0

    def run(self) -> object:
        """Push the next frame to every stream."""
        self._step += 1
        frame = Frame(self._images[self._step % FRAMES_KEPT], self._step * STEP_NS)
        return self._recognizer.push_many([(stream, frame) for stream in self._streams])


class ClipRunner:
    """An X3D bundle: `batch` clips in one call."""

    def __init__(self, recognizer: Recognizer, batch: int) -> None:
        self.spec, self.provider = recognizer.spec, recognizer.provider
        self._recognizer = recognizer
        images = random_images(self.spec, batch * self.spec.window)
        self._clips = images.reshape(batch, self.spec.window, *images.shape[1:])

    def run(self) -> object:
        """Classify all clips."""
        return self._recognizer.classify_clips(self._clips)


class OpenBundle:
    """An open bundle that gives runners for any batch."""

    def __init__(
        self, path: Union[str, Path], providers: Optional[Sequence[str]] = None, threads: Optional[int] = None
    ) -> None:
        """Raises ModelError, BackendError or ConfigError as `Recognizer.open` does."""
        self._recognizer = open_bundle(path, providers, threads)

    def runner(self, batch: int = 1) -> Runner:
        """Evaluations of `batch` streams or clips."""
        kind = StreamRunner if self._recognizer.spec.is_continual else ClipRunner
        return kind(self._recognizer, batch)


def open_bundle(
    path: Union[str, Path], providers: Optional[Sequence[str]] = None, threads: Optional[int] = None
) -> Recognizer:
    """A bundle by path, or a packaged one by name; raises ModelError, BackendError or ConfigError."""
    return Recognizer.open(path, providers, threads)


def random_images(spec: ModelSpec, count: int) -> np.ndarray:
    """uint8 (count, S, S, 3); noise costs a network what a picture does."""
    side = spec.image_size
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def input_shape(spec: ModelSpec) -> List[int]:
    """Shape of one evaluation's uint8 input, without the batch."""
    side = spec.image_size
    return [side, side, 3] if spec.is_continual else [spec.window, side, side, 3]
