"""The way in: open a model once, then run any number of streams on it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np

from opendr_har_core.backends.protocol import Backend
from opendr_har_core.errors import ConfigError, DataError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.sampling import Sampler
from opendr_har_core.streaming.settings import DENSE, EVERY_FRAME, REPEAT, LabelSettings, ModelSettings, StreamSettings
from opendr_har_core.streaming.state import ClipState, StepState, advance
from opendr_har_core.streaming.stream import AnyFrame, Stream

MODELS = Path(__file__).parents[1] / "models"
DEFAULT_BUNDLE = MODELS / f"{ModelSettings.model}.onnx"


class Recognizer:
    """A model that is open. It never changes, and may be shared by streams and threads."""

    def __init__(self, backend: Backend) -> None:
        """Use a backend that is open already; `open` makes one from a file."""
        self._backend = backend

    @classmethod
    def open(
        cls,
        model: Union[str, Path],
        providers: Optional[Sequence[str]] = None,
        threads: Optional[int] = None,
        spin: bool = False,
    ) -> Recognizer:
        """Open an `.onnx` bundle by its path, or a packaged model by its name, "default", "continual" or "kinetics400".

        `providers` are ONNX Runtime execution providers, best first (default: the CPU); one that fails while it
        computes is given up for the next, and `fallback_reason` says so. `threads` is the number used for one frame
        (default: one fewer than there are cores, at most four); `spin` keeps them awake between frames: lower latency,
        at the cost of one busy core per thread. Raises ModelError, BackendError or ConfigError.
        """
        from opendr_har_core.backends.onnx import OnnxBackend

        return cls(OnnxBackend(bundle_path(model), providers, threads, spin))

    @property
    def spec(self) -> ModelSpec:
        """What the network is and expects."""
        return self._backend.spec

    @property
    def labels(self) -> LabelMap:
        """Class names, one per score."""
        return self._backend.labels

    @property
    def provider(self) -> str:
        """What computes, for people."""
        return self._backend.provider

    @property
    def fallback_reason(self) -> str:
        """Which execution provider failed and was given up for the next one, and why; "" where none was."""
        return self._backend.fallback_reason

    @property
    def source(self) -> str:
        """Where the weights come from, for people."""
        return self._backend.source

    def stream(
        self,
        sampling: str = StreamSettings.sampling,
        max_gap_sec: float = StreamSettings.max_gap_sec,
        top_k: int = LabelSettings.top_k,
        warm_start: str = StreamSettings.warm_start,
        aligned: bool = False,
        min_frames: int = StreamSettings.min_frames,
    ) -> Stream:
        """A new stream, one for each camera.

        `sampling` "stamps" takes the frames nearest to the ticks of the training rate; "dense" keeps up to
        `spec.stride` such histories, offset against each other, so that each frame of a camera no quicker than
        `spec.train_fps` gets a prediction; "every_frame" takes all frames for one history, as the original did. A gap
        over `max_gap_sec` forgets everything. Predictions carry the `top_k` best hypotheses. With `warm_start`
        "repeat" they come from the first frame on, as if it had repeated indefinitely, provisional until as many frames
        came as the warm-up needs; that first frame takes the time of the whole warm-up. `aligned` puts the ticks on
        multiples of the period on the stamps' own clock, so that several cameras are sampled at the same moments.
        A CoX3D without lookahead predicts from `min_frames` sampled frames on, provisionally until its window is full.
        Raises ConfigError for a value that `StreamSettings` or `LabelSettings` does not allow.
        """
        StreamSettings(sampling, warm_start, min_frames, max_gap_sec)
        LabelSettings(top_k)
        histories = self.spec.stride if sampling == DENSE else 1
        gap_ns = round(max_gap_sec * NANOSECONDS)
        sampler = Sampler(self.spec.period_ns, gap_ns, sampling == EVERY_FRAME, histories, aligned)
        memory = StepState if self.spec.is_continual else ClipState
        silent_frames = max(self.spec.silent_frames, min(min_frames - 1, self.spec.warm_up))
        return Stream(self, sampler, partial(memory, self._backend), top_k, silent_frames, warm_start == REPEAT)

    def classify_clips(self, clips: np.ndarray) -> np.ndarray:
        """X3D: uint8 RGB clips (B, T, S, S, 3), sampled and cropped as the spec says -> float32 (B, num_classes).

        For clips that are at hand as a whole; a camera's frames go through a stream. Raises ConfigError for a CoX3D,
        DataError for clips of another dtype or shape.
        """
        spec = self.spec
        if spec.is_continual:
            raise ConfigError(f"{spec.name} steps frame by frame and takes no clips; use a stream, or an X3D bundle")
        expected = (spec.window, spec.image_size, spec.image_size, 3)
        if not isinstance(clips, np.ndarray) or clips.dtype != np.uint8 or clips.shape[1:] != expected:
            given = f"{clips.dtype} {clips.shape}" if isinstance(clips, np.ndarray) else type(clips).__name__
            raise DataError(f"{spec.name} takes uint8 clips of shape (batch, {expected}), got {given}")
        if len(clips) == 0:
            return np.zeros((0, spec.num_classes), np.float32)
        return self._backend.classify(clips)

    def push_many(self, pairs: Sequence[Tuple[Stream, AnyFrame]]) -> List[Optional[Prediction]]:
        """Push one frame to each of several streams of this recognizer, in one call of the network.

        Gives what `push` on each would. On an error nothing of the call has happened: an unreadable frame
        (ImageError) can be left out and the others pushed again.
        """
        self._check_pairs([stream for stream, _ in pairs])
        with ExitStack() as held:
            # Always in the same order, so that two calls with the same streams don't wait for each other for ever.
            for stream in sorted((stream for stream, _ in pairs), key=id):
                held.enter_context(stream.lock)
            looks = [stream.look(frame) for stream, frame in pairs]
            # Only now, with all images read: a warm start takes long.
            turns = [stream.turn(look) for (stream, _), look in zip(pairs, looks)]
            scores = iter(advance(self._backend, [task for turn in turns for task in turn.tasks]))
            return [stream.settle(turn, [next(scores) for _ in turn.tasks]) for (stream, _), turn in zip(pairs, turns)]

    def _check_pairs(self, streams: Sequence[Stream]) -> None:
        if any(stream.recognizer is not self for stream in streams):
            raise ConfigError("a stream of another recognizer was given; push it to the one that made it")
        if len({id(stream) for stream in streams}) != len(streams):
            raise ConfigError("a stream was given twice in one call; push its frames one after the other")


def packaged_models() -> List[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in MODELS.glob("*.onnx"))


def bundle_path(model: Union[str, Path]) -> Path:
    """The file of a model that is given as a path or by the name of a packaged one; raises ModelError for neither.

    The name of a packaged model comes before a file of the same name, which is given as "./default".
    """
    names = packaged_models()
    if str(model) in names:
        return MODELS / f"{model}.onnx"
    try:
        path = Path(model).expanduser()
        is_there = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a folder that is closed to us, no such user, too long, ...
        raise ModelError(f"{str(model)!r} can't be looked up: {error}") from None
    if not is_there:
        raise ModelError(
            f"there is no model {str(model)!r}; expected the path of an .onnx bundle, or a packaged model: "
            f"{', '.join(names)}"
        )
    return path
