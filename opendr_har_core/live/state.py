"""The current state of the live page and its recent history, written by a producer's threads."""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Deque, Dict, Optional, Sequence

from opendr_har_core.live.schema import Metrics, ModelInfo, SourceInfo, StreamInfo
from opendr_har_core.prediction import Hypothesis
from opendr_har_core.streaming.stream import AnyFrame

if TYPE_CHECKING:
    from opendr_har_core.live.subscribers import Subscribers

PROTOCOL = 1
# A minute of a 30 Hz camera with a label for every frame.
KEPT_LABELS, KEPT_SEC = 1800, 90.0
KEPT_EVENTS = 60
# Longer names would make an unreadable page and large messages.
LONGEST_TEXT = 300


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

    def set_model(self, model: ModelInfo) -> None:
        """Another model runs."""
        with self._lock:
            self._model = model
        self._publish({"kind": "model", "model": _model_values(model)})

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

    def push_labels(self, top: Sequence[Hypothesis], provisional: bool = False) -> None:
        """Add the current hypotheses, best first."""
        ranked = [[_short(item.label), _score(item.score), item.class_id] for item in top]
        self._add(self._labels, {"kind": "labels", "top": ranked, "provisional": provisional})

    def push_event(self, kind: str, label: str, score: float, duration_sec: float) -> None:
        """Add an event: a label "began" or "ended"."""
        values = {"event": kind, "label": _short(label), "score": _score(score)}
        self._add(self._events, {"kind": "event", **values, "duration_sec": round(duration_sec, 3)})

    def hello(self) -> str:
        """The first message to a new viewer, with everything known, as JSON."""
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
        """The status message, sent several times per second, as JSON."""
        with self._lock:
            return json.dumps({"kind": "status", **self._status(), "viewers": viewers})

    def _status(self) -> Dict[str, Any]:
        stream = {**asdict(self._stream), "text": _short(self._stream.text)}
        source = {name: _short(text) for name, text in asdict(self._source).items()}
        return {"now": time.time(), "source": source, "stream": stream, "metrics": asdict(self._metrics)}

    def _add(self, kept: Deque[Dict[str, Any]], values: Dict[str, Any]) -> None:
        with self._lock:
            self._number += 1  # by which a new viewer recognizes what it gets twice
            values = {**values, "number": self._number, "at": time.time()}
            kept.append(values)
        self._publish(values)

    def _publish(self, values: Dict[str, Any]) -> None:
        if self.is_watched and self._subscribers is not None:
            self._subscribers.publish(json.dumps(values))


def _model_values(model: ModelInfo) -> Dict[str, Any]:
    return {name: _short(value) if isinstance(value, str) else value for name, value in asdict(model).items()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _score(score: float) -> float:
    """Rounded; NaN and infinity, which JSON lacks, become 0."""
    return round(float(score), 4) if math.isfinite(score) else 0.0
