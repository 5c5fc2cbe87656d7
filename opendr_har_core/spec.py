"""Model spec: what a model is and what input it expects; stored with the weights."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, Mapping, Tuple

from opendr_har_core.errors import ConfigError, ModelError

CLIP, CONTINUAL = "x3d", "cox3d"
# Whether the convolutions of a CoX3D wait for the future frames that they were trained with.
FULL, NONE = "full", "none"
LOOKAHEADS = (FULL, NONE)
# Default for training by command line and node; OpenDR's learners default to FULL.
TRAINING_LOOKAHEAD = NONE
# Sizes whose published weights were trained on clips of 4 frames, where a quarter of the positions has no future: they
# keep their accuracy without lookahead. Weights trained on 13 frames can lose it (docs/decisions/0009).
TRAINED_ON_SHORT_CLIPS = ("xs",)
NANOSECONDS = 1_000_000_000
# Far above any network, but a model file can't demand all memory or an endless warm-up.
LARGEST = {"image_size": 4096, "window": 4096, "stride": 10_000, "warm_up": 100_000, "num_classes": 1_000_000}
SLOWEST_FPS, QUICKEST_FPS = 1e-3, 1e6
LARGEST_CLIP_BYTES = 1 << 30
LONGEST_SIZE = 100


@dataclass(frozen=True)
class ModelSpec:
    """Facts about a network that its users need; plain values that fit into JSON.

    Attributes:
        architecture: "x3d" (classifies clips) or "cox3d" (steps frame by frame).
        size: name of the variant: "xs", "s", "m", "l", or another name.
        image_size: side of the square input image, in pixels.
        window: number of sampled frames per prediction: the clip length of an X3D, the length of the final average
            pool of a CoX3D.
        stride: number of frames at `train_fps` from one sampled frame to the next.
        train_fps: frame rate of the training videos, in Hz.
        warm_up: number of sampled frames before the first prediction that uses a full window of real frames.
        num_classes: number of scores per prediction.
        mean, std: of the standardization of the input, per RGB channel, on a scale of 0..1.
        lookahead: "full" if the convolutions of a CoX3D wait for the future frames that they were trained with, "none"
            if zeros replace these, as after the last frame of a training clip. Always "full" for an X3D.
    """

    architecture: str
    size: str
    image_size: int
    window: int
    stride: int
    warm_up: int
    num_classes: int
    train_fps: float = 30.0
    mean: Tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: Tuple[float, float, float] = (0.225, 0.225, 0.225)
    lookahead: str = FULL

    def __post_init__(self) -> None:
        if self.architecture not in (CLIP, CONTINUAL):
            raise ConfigError(f"architecture is {self.architecture!r}, expected {CLIP!r} or {CONTINUAL!r}")
        if not self.size.isprintable() or len(self.size) > LONGEST_SIZE:  # it goes to terminals
            raise ConfigError(f"size is {self.size[:40]!r}, expected printable text of up to {LONGEST_SIZE} characters")
        for name in ("image_size", "window", "stride", "num_classes", "train_fps"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected a number above zero")
        for name, largest in LARGEST.items():
            if getattr(self, name) > largest:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected at most {largest}")
        if not SLOWEST_FPS <= self.train_fps <= QUICKEST_FPS:
            raise ConfigError(f"train_fps is {self.train_fps!r}, expected {SLOWEST_FPS} to {QUICKEST_FPS} Hz")
        if 3 * self.window * self.image_size**2 > LARGEST_CLIP_BYTES:
            raise ConfigError(f"{self.window} images of {self.image_size} pixels squared exceed a gigabyte")
        if self.warm_up < 0:
            raise ConfigError(f"warm_up is {self.warm_up!r}, expected zero or more")
        if self.architecture == CLIP and self.warm_up != self.window - 1:
            raise ConfigError(f"warm_up is {self.warm_up}, but a clip of {self.window} frames needs {self.window - 1}")
        self._check_lookahead()
        finite = all(math.isfinite(number) for number in (*self.mean, *self.std))
        if len(self.mean) != 3 or len(self.std) != 3 or not finite or min(self.std) <= 0:
            raise ConfigError(f"mean {self.mean} and std {self.std} need three numbers each, std above zero")

    def _check_lookahead(self) -> None:
        if self.lookahead not in LOOKAHEADS:
            raise ConfigError(f"lookahead is {self.lookahead!r}, expected one of {LOOKAHEADS}")
        if self.lookahead == NONE and (self.architecture == CLIP or self.warm_up != self.window - 1):
            raise ConfigError(
                f"lookahead {NONE!r} is for a cox3d whose warm_up is its window - 1, "
                f"got {self.architecture} with window {self.window} and warm_up {self.warm_up}"
            )

    @property
    def is_continual(self) -> bool:
        """Whether the network steps frame by frame with a state."""
        return self.architecture == CONTINUAL

    @property
    def delay(self) -> int:
        """Sampled frames by which predictions trail the newest frame."""
        return max(0, self.warm_up - (self.window - 1))

    @property
    def delay_sec(self) -> float:
        """Age of a label in seconds when it is predicted."""
        return self.delay * self.stride / self.train_fps

    @property
    def silent_frames(self) -> int:
        """Sampled frames without prediction: the warm-up, or 0 without lookahead."""
        return 0 if self.lookahead == NONE else self.warm_up

    @property
    def period_ns(self) -> int:
        """Nanoseconds between sampled frames, as in training: stride / train_fps."""
        return round(NANOSECONDS * self.stride / self.train_fps)

    @property
    def name(self) -> str:
        """Short name, such as "cox3d_s"."""
        return f"{self.architecture}_{self.size}"

    def to_dict(self) -> Dict[str, Any]:
        """The spec as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Rebuild a spec from `to_dict`; raises ModelError for a field that is missing, unknown or of a wrong type.

        A missing `lookahead` means "full", as in bundles of format 2.
        """
        expected = {f.name for f in fields(cls)}
        if isinstance(values, Mapping):
            values = {"lookahead": FULL, **values}
        if not isinstance(values, Mapping) or set(values) != expected:
            given = repr(sorted(values) if isinstance(values, Mapping) else values)[:200]
            raise ModelError(f"a model spec needs exactly the fields {sorted(expected)}, got {given}")
        try:
            return cls(**{name: _typed(name, value) for name, value in values.items()})
        except (OverflowError, TypeError, ValueError, ConfigError) as error:
            raise ModelError(f"the model spec {dict(values)} is not valid: {error}") from None


def _typed(name: str, value: Any) -> Any:
    if name in ("architecture", "size", "lookahead"):
        return str(value)
    if name in ("mean", "std"):
        return tuple(float(v) for v in value)
    if name == "train_fps":
        return float(value)
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{name} is {value!r}, expected a whole number")
    return int(value)
