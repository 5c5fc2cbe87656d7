"""What there is to be seen now, and the last minutes of it: written by a producer's threads, read by the server's."""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections import deque
from dataclasses import asdict
from typing import Any, Deque, Dict, Optional, Protocol, Sequence

from opendr_har_core.live.schema import ModelFacts, Numbers, SourceFacts, StreamFacts
from opendr_har_core.prediction import Hypothesis
from opendr_har_core.streaming.stream import AnyFrame

PROTOCOL = 1
# A minute of a 30 Hz camera whose every frame gets a label.
KEPT_LABELS, KEPT_SEC = 1800, 90.0
KEPT_EVENTS = 60
# Longer names would make a page that nobody can read, and messages that nobody should send.
LONGEST_TEXT = 300


class Audience(Protocol):
    """Who looks at a board; called from a producer's threads."""

    @property
    def is_watching(self) -> bool:
        """Whether anybody is there."""

    @property
    def wants_pictures(self) -> bool:
        """Whether anybody looks at the pictures."""

    def tell(self, message: str) -> None:
        """A message for everybody."""

    def show(self, frame: AnyFrame) -> None:
        """The newest frame; it may be let go."""


class Board:
    """All methods may be called from any thread, and return at once."""

    def __init__(self, source: str, model: Optional[ModelFacts] = None) -> None:
        """`source` is its name for people."""
        self._lock = threading.Lock()
        self._audience: Optional[Audience] = None
        self._session = secrets.token_hex(4)
        self._number = 0
        self._model = model
        self._source = SourceFacts(source)
        self._stream = StreamFacts()
        self._numbers = Numbers()
        self._labels: Deque[Dict[str, Any]] = deque(maxlen=KEPT_LABELS)
        self._events: Deque[Dict[str, Any]] = deque(maxlen=KEPT_EVENTS)

    def attach(self, audience: Optional[Audience]) -> None:
        """Let a server's viewers look at this board; None when it has ended."""
        self._audience = audience

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks at the page."""
        audience = self._audience
        return audience is not None and audience.is_watching

    @property
    def wants_pictures(self) -> bool:
        """Whether anybody looks at the pictures: whoever has to make them can save it otherwise."""
        audience = self._audience
        return audience is not None and audience.wants_pictures

    def model(self, model: ModelFacts) -> None:
        """Another model runs."""
        with self._lock:
            self._model = model
        self._spread({"kind": "model", "model": _model_values(model)})

    def state(
        self,
        source: Optional[SourceFacts] = None,
        stream: Optional[StreamFacts] = None,
        numbers: Optional[Numbers] = None,
    ) -> None:
        """What has changed of the source, the stream and the numbers; viewers hear of it a little later."""
        with self._lock:
            self._source = source or self._source
            self._stream = stream or self._stream
            self._numbers = numbers or self._numbers

    def picture(self, frame: AnyFrame) -> None:
        """The newest frame, for whoever looks."""
        audience = self._audience
        if audience is not None and audience.wants_pictures:
            audience.show(frame)

    def labels(self, top: Sequence[Hypothesis], provisional: bool = False) -> None:
        """The hypotheses of now, best first."""
        ranked = [[_short(item.label), _share(item.score), item.class_id] for item in top]
        self._add(self._labels, {"kind": "labels", "top": ranked, "provisional": provisional})

    def event(self, kind: str, label: str, score: float, duration_sec: float) -> None:
        """A label "began" or "ended"."""
        values = {"event": kind, "label": _short(label), "score": _share(score)}
        self._add(self._events, {"kind": "event", **values, "duration_sec": round(duration_sec, 3)})

    def hello(self) -> str:
        """What a new viewer is told: all that is known, as JSON."""
        with self._lock:
            oldest = time.time() - KEPT_SEC
            values = {
                "kind": "hello",
                "protocol": PROTOCOL,
                "session": self._session,
                "now": time.time(),
                "model": _model_values(self._model) if self._model else None,
                "labels": [item for item in self._labels if item["at"] >= oldest],
                "events": list(self._events),
                "status": self._status(),
            }
        return json.dumps(values)

    def status(self, viewers: int) -> str:
        """How things are, as JSON; to be told several times a second."""
        with self._lock:
            return json.dumps({"kind": "status", **self._status(), "viewers": viewers})

    def _status(self) -> Dict[str, Any]:
        stream = {**asdict(self._stream), "text": _short(self._stream.text)}
        source = {name: _short(text) for name, text in asdict(self._source).items()}
        return {"now": time.time(), "source": source, "stream": stream, "numbers": asdict(self._numbers)}

    def _add(self, kept: Deque[Dict[str, Any]], values: Dict[str, Any]) -> None:
        with self._lock:
            self._number += 1  # a new viewer may be told the same twice
            values = {**values, "number": self._number, "at": time.time()}
            kept.append(values)
        self._spread(values)

    def _spread(self, values: Dict[str, Any]) -> None:
        audience = self._audience
        if audience is not None and audience.is_watching:
            audience.tell(json.dumps(values))


def _model_values(model: ModelFacts) -> Dict[str, Any]:
    return {name: _short(value) if isinstance(value, str) else value for name, value in asdict(model).items()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _share(score: float) -> float:
    """Rounded; zero for what is no number, which JSON has no word for: one such would end every page."""
    return round(float(score), 4) if math.isfinite(score) else 0.0
