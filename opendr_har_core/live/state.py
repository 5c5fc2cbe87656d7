"""What the live page shows: the current state and its recent history, written by a producer's threads."""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple

from opendr_har_core.prediction import Hypothesis
from opendr_har_core.streaming.stream import IDLE, AnyFrame, Stream

if TYPE_CHECKING:
    from opendr_har_core.live.subscribers import Subscribers
    from opendr_har_core.people.pipeline import Person

WAITING, PLAYING, LOST = "waiting", "playing", "lost"
NO_LESSON = "idle"
PROTOCOL = 1
# A minute of a 30 Hz camera with a label for every frame.
KEPT_LABELS, KEPT_SEC = 1800, 90.0
KEPT_EVENTS = 60
# Longer names would make an unreadable page and large messages.
LONGEST_TEXT = 300


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
            classes=len(stream.labels),
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


class LessonInfo(NamedTuple):
    """A lesson that the recognizer has been taught."""

    label: str
    id: str


class LiveState:
    """All methods may be called from any thread, and return immediately."""

    def __init__(self, source: str, model: Optional[ModelInfo] = None) -> None:
        """`source` is the name of the source, for people."""
        self._lock = threading.Lock()
        self._subscribers: Optional[Subscribers] = None
        self._session = secrets.token_hex(4)
        self._number = 0
        self._model = model
        self._source = SourceInfo(source)
        self._stream = StreamInfo()
        self._metrics = Metrics()
        self._people: Optional[Dict[str, Any]] = None
        self._lessons: Optional[Dict[str, Any]] = None
        self._teaching: Dict[str, Any] = {}
        self.set_teaching()
        self._labels: Deque[Dict[str, Any]] = deque(maxlen=KEPT_LABELS)
        self._events: Deque[Dict[str, Any]] = deque(maxlen=KEPT_EVENTS)

    def attach(self, subscribers: Optional[Subscribers]) -> None:
        """Send updates to these subscribers; None when their server has stopped."""
        self._subscribers = subscribers

    @property
    def is_watched(self) -> bool:
        """Whether a page is open."""
        subscribers = self._subscribers
        return subscribers is not None and len(subscribers) > 0

    @property
    def wants_pictures(self) -> bool:
        """Whether an open page shows pictures; producers can save the work otherwise."""
        subscribers = self._subscribers
        return subscribers is not None and subscribers.want_pictures

    @property
    def shows_lessons(self) -> bool:
        """Whether the recognizer can be taught."""
        return self._lessons is not None

    def set_model(self, model: ModelInfo) -> None:
        """Another model runs."""
        with self._lock:
            self._model = model
        self._publish({"kind": "model", "model": _values(model)})

    def set_status(
        self,
        source: Optional[SourceInfo] = None,
        stream: Optional[StreamInfo] = None,
        metrics: Optional[Metrics] = None,
    ) -> None:
        """Change the given parts; viewers get them with the next status message."""
        with self._lock:
            self._source = source or self._source
            self._stream = stream or self._stream
            self._metrics = metrics or self._metrics

    def push_frame(self, frame: AnyFrame) -> None:
        """Show the newest frame to viewers."""
        subscribers = self._subscribers
        if subscribers is not None and subscribers.want_pictures:
            subscribers.show(frame)

    def push_labels(self, top: Sequence[Hypothesis], provisional: bool = False, track_id: str = "") -> None:
        """Add the current hypotheses, best first, of the picture or of a person."""
        ranked = [[_short(item.label), _score(item.score), item.class_id] for item in top]
        values = {"top": ranked, "provisional": provisional, "track_id": _short(track_id)}
        self._add(self._labels, {"kind": "labels", **values})

    def push_people(self, people: Sequence[Person], size: Tuple[int, int]) -> None:
        """Show where people are in a picture of (height, width) `size`, the nearest first; and add their new labels."""
        shown: List[Dict[str, Any]] = []
        for person in people:
            box = [round(value, 1) if math.isfinite(value) else 0.0 for value in person.box]
            shown.append({"track_id": _short(person.track_id), "box": box})
            if person.label is not None and person.is_new:
                self.push_labels(person.label.top, person.label.provisional, person.track_id)
        with self._lock:
            self._people = {"kind": "people", "size": list(size), "people": shown}
        self._publish(self._people)

    def push_event(self, kind: str, label: str, score: float, duration_sec: float, track_id: str = "") -> None:
        """Add an event: a label, of the picture or of a person, "began" or "ended"."""
        values = {"event": kind, "label": _short(label), "score": _score(score), "track_id": _short(track_id)}
        self._add(self._events, {"kind": "event", **values, "duration_sec": round(duration_sec, 3)})

    def set_lessons(self, lessons: Optional[Sequence[LessonInfo]], can_undo: bool = False) -> None:
        """Show the lessons, the oldest first; None: the recognizer can't be taught."""
        with self._lock:
            self._lessons = None
            if lessons is not None:
                self._lessons = {"can_undo": can_undo, "lessons": [list(lesson) for lesson in lessons]}
        self._publish({"kind": "lessons", "taught": self._lessons})

    def set_teaching(
        self,
        phase: str = NO_LESSON,
        label: str = "",
        left_sec: float = 0.0,
        seconds: float = 0.0,
        text: str = "",
        warnings: Sequence[str] = (),
        is_failed: bool = False,
    ) -> None:
        """Show how far a lesson is: its phase, what is left of that, and what is wrong or came of it."""
        values = {"phase": phase, "label": label, "left_sec": round(left_sec, 2), "seconds": seconds}
        said = {"text": _short(text), "warnings": [_short(each) for each in warnings], "is_failed": is_failed}
        with self._lock:
            self._teaching = {"kind": "teaching", **values, **said}
        self._publish(self._teaching)

    def hello(self) -> str:
        """The first message to a new viewer, with everything known, as JSON."""
        with self._lock:
            oldest = time.time() - KEPT_SEC
            values = {
                "kind": "hello",
                "protocol": PROTOCOL,
                "session": self._session,
                "now": time.time(),
                "model": _values(self._model) if self._model else None,
                "labels": [item for item in self._labels if item["at"] >= oldest],
                "events": list(self._events),
                "people": self._people,
                "taught": self._lessons,
                "teaching": self._teaching,
                "status": self._status(),
            }
        return json.dumps(values)

    def status(self, viewers: int) -> str:
        """The status message, sent several times per second, as JSON."""
        with self._lock:
            return json.dumps({"kind": "status", **self._status(), "viewers": viewers})

    def _status(self) -> Dict[str, Any]:
        values = {"source": self._source, "stream": self._stream, "metrics": self._metrics}
        return {"now": time.time(), **{name: _values(item) for name, item in values.items()}}

    def _add(self, kept: Deque[Dict[str, Any]], values: Dict[str, Any]) -> None:
        with self._lock:
            self._number += 1  # by which a new viewer recognizes what it gets twice
            values = {**values, "number": self._number, "at": time.time()}
            kept.append(values)
        self._publish(values)

    def _publish(self, values: Dict[str, Any]) -> None:
        if self.is_watched and self._subscribers is not None:
            self._subscribers.publish(json.dumps(values))


def _values(item: Any) -> Dict[str, Any]:
    return {name: _short(value) if isinstance(value, str) else value for name, value in asdict(item).items()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _score(score: float) -> float:
    """Rounded; NaN and infinity, which JSON lacks, become 0."""
    return round(float(score), 4) if math.isfinite(score) else 0.0
