"""What a model is and what it expects of its input: it travels with the weights."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Dict, Mapping, Tuple

from opendr_har_core.errors import ConfigError, ModelError

CLIP, CONTINUAL = "x3d", "cox3d"
# What a CoX3D waits for: the future frames that its convolutions were trained with, or nothing.
FULL, NONE = "full", "none"
LOOKAHEADS = (FULL, NONE)
# What the command line and the nodes train, where neither the user nor a checkpoint says; OpenDR's learners have FULL.
TRAINING_LOOKAHEAD = NONE
# Sizes whose published weights were trained on clips so short (4 frames) that a quarter of the positions had no future:
# they keep their accuracy without lookahead. Weights trained on 13 frames can lose it (docs/decisions/0009).
TRAINED_ON_SHORT_CLIPS = ("xs",)
NANOSECONDS = 1_000_000_000
# Far above any network, and low enough that no model file can ask for all memory or for waiting for ever.
LARGEST = {"image_size": 4096, "window": 4096, "stride": 10_000, "warm_up": 100_000, "num_classes": 1_000_000}
SLOWEST_FPS, QUICKEST_FPS = 1e-3, 1e6
LARGEST_CLIP_BYTES = 1 << 30
LONGEST_SIZE = 100


@dataclass(frozen=True)
class ModelSpec:
    """The facts about a network that its users need; plain values only, so that it fits into JSON.

    Attributes:
        architecture: "x3d" (classifies clips) or "cox3d" (steps frame by frame).
        size: name of the variant: "xs", "s", "m", "l", or a name of the author's own.
        image_size: side of the square input image, in pixels.
        window: number of sampled frames that one prediction is averaged over: an X3D's clip length,
            a CoX3D's temporal window (the length of its final average pool).
        stride: frames at `train_fps` from one sampled frame to the next.
        train_fps: frame rate of the training videos, in Hz.
        warm_up: number of sampled frames before the first prediction that rests on a full window of real frames.
        num_classes: number of scores per prediction.
        mean, std: per channel (RGB, on a scale of 0..1), what the network's input was standardised with.
        lookahead: "full" if a CoX3D's convolutions wait for the future frames that they were trained with, "none" if
            zeros take their place, as after the last frame of a training clip. A clip network always has "full".
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
        if not self.size.isprintable() or len(self.size) > LONGEST_SIZE:  # it goes to terminals and into messages
            raise ConfigError(f"size is {self.size[:40]!r}, expected a word")
        for name in ("image_size", "window", "stride", "num_classes", "train_fps"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected a number above zero")
        for name, largest in LARGEST.items():
            if getattr(self, name) > largest:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected at most {largest}")
        if not SLOWEST_FPS <= self.train_fps <= QUICKEST_FPS:
            raise ConfigError(f"train_fps is {self.train_fps!r}, expected {SLOWEST_FPS} to {QUICKEST_FPS} Hz")
        if 3 * self.window * self.image_size**2 > LARGEST_CLIP_BYTES:
            raise ConfigError(f"{self.window} images of {self.image_size} pixels squared are over a gigabyte")
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
        """Whether the network keeps a state and steps frame by frame."""
        return self.architecture == CONTINUAL

    @property
    def delay(self) -> int:
        """Sampled frames by which predictions trail the newest frame."""
        return max(0, self.warm_up - (self.window - 1))

    @property
    def delay_sec(self) -> float:
        """The same in seconds: how old a label is when it comes."""
        return self.delay * self.stride / self.train_fps

    @property
    def silent_frames(self) -> int:
        """Sampled frames that yield no prediction: the warm-up, or none for a network that needs no future."""
        return 0 if self.lookahead == NONE else self.warm_up

    @property
    def period_ns(self) -> int:
        """Time between sampled frames, in nanoseconds, as in training (stride / train_fps)."""
        return round(NANOSECONDS * self.stride / self.train_fps)

    @property
    def name(self) -> str:
        """Short name such as "cox3d_s"."""
        return f"{self.architecture}_{self.size}"

    def with_classes(self, num_classes: int) -> ModelSpec:
        """The same network with another number of classes."""
        return replace(self, num_classes=num_classes)

    def to_dict(self) -> Dict[str, Any]:
        """The spec as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Rebuild a spec from `to_dict`; raises ModelError when a field is missing, unknown or of a wrong type.

        A spec without `lookahead` comes from a version that only had "full".
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
