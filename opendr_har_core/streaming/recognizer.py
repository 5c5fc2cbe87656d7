"""Models: open one once, then run any number of streams on it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np

from opendr_har_core.backends.protocol import Backend
from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import ConfigError, DataError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.sampling import Sampler
from opendr_har_core.streaming.settings import DENSE, EVERY_FRAME, REPEAT, LabelSettings, ModelSettings, StreamSettings
from opendr_har_core.streaming.stream import AnyFrame, Stream, push_together

MODELS = Path(__file__).parents[1] / "models"
DEFAULT_BUNDLE = MODELS / f"{ModelSettings.model}.onnx"


class Recognizer:
    """An open model. It is immutable; streams and threads can share it."""

    def __init__(self, backend: Backend, head: Optional[Head] = None) -> None:
        """Wrap an open backend; `open` makes one from a file. Raises ModelError for a head that does not fit it."""
        if head is not None:
            head.check(backend.features, backend.spec)
        self._backend, self._head = backend, head

    @classmethod
    def open(
        cls,
        model: Union[str, Path],
        providers: Optional[Sequence[str]] = None,
        threads: Optional[int] = None,
        spin: bool = False,
    ) -> Recognizer:
        """Open an `.onnx` bundle by its path, or a packaged model by its name: "default", "continual", "kinetics400".

        `providers` are ONNX Runtime execution providers, best first (default: the CPU); if one fails while it computes,
        the next one takes over and `fallback_reason` says why. `threads` is the number of threads for one frame
        (default: one fewer than there are cores, at most four). `spin` keeps them awake between frames: lower latency,
        at the cost of one busy core per thread. Raises ModelError, BackendError or ConfigError.
        """
        from opendr_har_core.backends.onnx import OnnxBackend

        backend = OnnxBackend(bundle_path(model), providers, threads, spin)
        return cls(backend, backend.metadata.head)

    def with_head(self, head: Optional[Head]) -> Recognizer:
        """The same open network with another head, or with None its own classifier; takes no time.

        `push_many` of either takes streams of both. Raises ModelError for a head that does not fit the network.
        """
        return Recognizer(self._backend, head)

    @property
    def spec(self) -> ModelSpec:
        """What the network is and what input it expects."""
        return self._backend.spec

    @property
    def labels(self) -> LabelMap:
        """Class names, one per score: those of the head, if there is one."""
        return self.base_labels if self._head is None else self._head.labels

    @property
    def base_labels(self) -> LabelMap:
        """Class names of the network's own classifier."""
        return self._backend.labels

    @property
    def head(self) -> Optional[Head]:
        """What turns features into scores; None for the network's own classifier."""
        return self._head

    @property
    def width(self) -> int:
        """Number of features that the network gives, 0 for none."""
        return self._backend.features

    @property
    def base(self) -> str:
        """Name of the network, without its head: equal for those whose features are comparable."""
        text = f"{self._backend.weights_sha256} {sorted(self.spec.to_dict().items())}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def provider(self) -> str:
        """The execution provider in use, such as "CPUExecutionProvider"."""
        return self._backend.provider

    @property
    def fallback_reason(self) -> str:
        """Which execution provider failed and was replaced by the next one, and why; "" if none failed."""
        return self._backend.fallback_reason

    @property
    def source(self) -> str:
        """Origin of the weights, as text for people."""
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
        """Make a stream; use one for each camera.

        `sampling` "stamps" takes the frames nearest to the ticks of the training rate. "dense" keeps up to
        `spec.stride` interleaved histories, so that every frame of a camera of up to `spec.train_fps` gets a
        prediction. "every_frame" feeds all frames to one history, as OpenDR does. A gap of more than `max_gap_sec`
        resets the stream. Predictions carry the `top_k` best hypotheses. With `warm_start` "repeat", predictions start
        at the first frame, as if it had repeated indefinitely, and are provisional until the warm-up is over; the first
        frame then takes the time of the whole warm-up. `aligned` puts the ticks on multiples of the period on the
        stamps' own clock, so that several cameras are sampled at the same moments. A CoX3D without lookahead predicts
        from `min_frames` sampled frames on, provisionally until its window is full. Raises ConfigError for a
        value that `StreamSettings` or `LabelSettings` does not allow.
        """
        StreamSettings(sampling, warm_start, min_frames, max_gap_sec)
        LabelSettings(top_k)
        histories = self.spec.stride if sampling == DENSE else 1
        gap_ns = round(max_gap_sec * NANOSECONDS)
        sampler = Sampler(self.spec.period_ns, gap_ns, sampling == EVERY_FRAME, histories, aligned)
        silent_frames = max(self.spec.silent_frames, min(min_frames - 1, self.spec.warm_up))
        return Stream(self._backend, self._head, sampler, top_k, silent_frames, warm_start == REPEAT)

    def classify_clips(self, clips: np.ndarray) -> np.ndarray:
        """Classify whole clips with an X3D; camera frames go through a stream instead.

        `clips` is uint8 RGB (B, T, S, S, 3), sampled and cropped as the spec says. Returns float32 (B, classes).
        Raises ConfigError for a CoX3D, DataError for another dtype or shape.
        """
        spec = self.spec
        if spec.is_continual:
            raise ConfigError(f"{spec.name} steps frame by frame and takes no clips; use a stream, or an X3D bundle")
        expected = (spec.window, spec.image_size, spec.image_size, 3)
        if not isinstance(clips, np.ndarray) or clips.dtype != np.uint8 or clips.shape[1:] != expected:
            given = f"{clips.dtype} {clips.shape}" if isinstance(clips, np.ndarray) else type(clips).__name__
            raise DataError(f"{spec.name} takes uint8 clips of shape (batch, {expected}), got {given}")
        if len(clips) == 0:
            return np.zeros((0, len(self.labels)), np.float32)
        scores, _ = self._backend.classify(clips).judged_by(self._head)
        return scores

    def features(self, frames: Iterable[AnyFrame], settings: Optional[StreamSettings] = None) -> np.ndarray:
        """Features of a sequence of frames: float32 (n, F), a row for each prediction of a stream with these settings.

        They are what the network's classifier takes: pooled over space, averaged over the window. Raises ModelError for
        a bundle that does not give features, and what `Stream.push` raises.
        """
        count = self._backend.features
        if not count:
            raise ModelError(
                f"this {self.spec.name} is of bundle format 3 or older and gives no features; export it again"
            )
        stream = self.stream(**asdict(settings or StreamSettings()))
        rows = [prediction.features for prediction in map(stream.push, frames) if prediction is not None]
        return np.array(rows, np.float32).reshape(len(rows), count)

    def push_many(self, pairs: Sequence[Tuple[Stream, AnyFrame]]) -> List[Optional[Prediction]]:
        """Push one frame to each of several streams of this recognizer, in one call of the network.

        Returns what `Stream.push` would for each. An error leaves all streams as they were: if a frame is unreadable
        (ImageError), leave it out and push the others again.
        """
        streams = [stream for stream, _ in pairs]
        if any(not isinstance(stream, Stream) or stream.backend is not self._backend for stream in streams):
            raise ConfigError("a stream was given that another recognizer made; push to it with that recognizer")
        if len({id(stream) for stream in streams}) != len(streams):
            raise ConfigError("a stream was given twice in one call; push its frames one after the other")
        return push_together(pairs)


def packaged_models() -> List[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in MODELS.glob("*.onnx"))


def bundle_path(model: Union[str, Path]) -> Path:
    """Path of a model given by its path or by the name of a packaged model; raises ModelError if there is none.

    Packaged names take precedence over files; give a file of such a name as "./default".
    """
    names = packaged_models()
    if str(model) in names:
        return MODELS / f"{model}.onnx"
    try:
        path = Path(model).expanduser()
        is_file = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # no permission, no such user, too long, ...
        raise ModelError(f"can't look up the model {str(model)!r}: {error}") from None
    if not is_file:
        raise ModelError(
            f"there is no model {str(model)!r}; expected the path of an .onnx bundle, or a packaged model: "
            f"{', '.join(names)}"
        )
    return path
