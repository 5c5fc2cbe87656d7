"""The values that the live page shows; a producer of labels fills them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from opendr_har_core.streaming.stream import IDLE, Stream

WAITING, PLAYING, LOST = "waiting", "playing", "lost"


@dataclass(frozen=True)
class ModelInfo:
    """The model that runs.

    Attributes:
        name, weights, provider: for people.
        classes: number of classes; 0 if unknown.
        first_label_sec: time until the first label; None if unknown.
        label_delay_sec: how old a label is when it comes, because the model waits for later frames; None if unknown.
    """

    name: str
    weights: str = ""
    provider: str = ""
    classes: int = 0
    first_label_sec: Optional[float] = None
    label_delay_sec: Optional[float] = None

    @classmethod
    def of(cls, stream: Stream) -> ModelInfo:
        """The model of a stream."""
        backend = stream.backend
        return cls(
            name=backend.spec.name,
            weights=backend.source,
            provider=backend.provider,
            classes=len(backend.labels),
            first_label_sec=stream.silent_sec,
            label_delay_sec=backend.spec.delay_sec,
        )


@dataclass(frozen=True)
class SourceInfo:
    """Where images come from.

    Attributes:
        name: for people.
        state: "waiting" for the first image, "playing", or "lost".
        text: the reason for the state, or "".
    """

    name: str
    state: str = WAITING
    text: str = ""


@dataclass(frozen=True)
class StreamInfo:
    """State of the stream: a phase of `StreamStatus`, progress of the warm-up, and a warning or ""."""

    phase: str = IDLE
    step: int = 0
    warm_up: int = 0
    text: str = ""


@dataclass(frozen=True)
class Metrics:
    """Frames and labels per second, (p50, p95, p99) of the milliseconds from image to label, and dropped frames."""

    rate_in: float = 0.0
    rate_out: float = 0.0
    latency_ms: Optional[Tuple[float, float, float]] = None
    dropped: int = 0
