"""What viewers are told, as values; a producer of labels fills them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from opendr_har_core.streaming.stream import IDLE, Stream

WAITING, PLAYING, LOST = "waiting", "playing", "lost"


@dataclass(frozen=True)
class ModelFacts:
    """The model that runs.

    Attributes:
        name, weights, provider: for people.
        classes: how many it knows; 0 where that is not known.
        first_label_sec: time until its first label; None if unknown.
        label_delay_sec: how old a label is when it comes, because the model waits for later frames; None if unknown.
    """

    name: str
    weights: str = ""
    provider: str = ""
    classes: int = 0
    first_label_sec: Optional[float] = None
    label_delay_sec: Optional[float] = None


@dataclass(frozen=True)
class SourceFacts:
    """Where images come from.

    Attributes:
        name: for people.
        state: "waiting" for the first image, "playing", or "lost".
        text: why it is so, or what is to be seen; may be empty.
    """

    name: str
    state: str = WAITING
    text: str = ""


@dataclass(frozen=True)
class StreamFacts:
    """Where the stream stands: a phase of `StreamStatus`, and how far the warm-up is; `text` is what hinders it."""

    phase: str = IDLE
    step: int = 0
    warm_up: int = 0
    text: str = ""


@dataclass(frozen=True)
class Numbers:
    """Frames and labels per second, (p50, p95, p99) of the milliseconds from image to label, frames left out."""

    rate_in: float = 0.0
    rate_out: float = 0.0
    latency_ms: Optional[Tuple[float, float, float]] = None
    dropped: int = 0


def model_facts(stream: Stream) -> ModelFacts:
    """The model that a stream runs on."""
    model = stream.backend
    return ModelFacts(
        name=model.spec.name,
        weights=model.source,
        provider=model.provider,
        classes=len(model.labels),
        first_label_sec=stream.silent_sec,
        label_delay_sec=model.spec.delay_sec,
    )
