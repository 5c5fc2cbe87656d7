"""Plays a source to a model, as a camera would, and tells a board what came of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable, Deque, Iterable, Iterator, List

import numpy as np

from opendr_har_core.errors import HarError
from opendr_har_core.live.schema import LOST, PLAYING, WAITING, Numbers, SourceFacts, StreamFacts
from opendr_har_core.live.state import Board
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.stream import AnyFrame

# Opened with a function that says whether nobody wants it any more; only a source that waits by itself has to ask.
Source = Callable[[Callable[[], bool]], Iterable[AnyFrame]]

# A source that ended or failed is opened again after so long; one that says nothing for so long is lost.
RETRY_SEC, SILENT_SEC = 1.0, 2.0
WATCH_SEC = 0.25
# Rates and latencies are those of the last seconds.
WINDOW_SEC = 3.0
# A clock that is so far behind the frames is set anew, rather than chased.
MOST_BEHIND_SEC = 0.5


class Player:
    """Threads that read, label and tell; `stop` ends them."""

    def __init__(self, name: str, source: Source, labelling: LabelPipeline, board: Board, is_paced: bool) -> None:
        """`is_paced`: whether frames come as fast as they are read, so that their stamps have to say when."""
        self._name, self._source = name, source
        self._labelling, self._board = labelling, board
        self._is_paced = is_paced
        self._stopped = threading.Event()
        self._latest = 0.0
        self._text = ""
        self._frames: Deque[float] = deque()
        self._labels: Deque[float] = deque()
        self._latencies: Deque[float] = deque(maxlen=200)
        self._threads = [
            threading.Thread(target=work, name=f"live {what}", daemon=True)
            for what, work in (("player", self._play), ("watch", self._watch))
        ]

    def start(self) -> None:
        """Begin to play."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_sec: float = 5.0) -> None:
        """End; a camera that does not answer is left behind."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout_sec)

    def _play(self) -> None:
        while not self._stopped.is_set():
            try:
                for frame in self._in_time(self._source(self._stopped.is_set)):
                    self._step(frame)
                    if self._stopped.is_set():
                        return
                self._text = "the source has ended"
            except HarError as error:
                self._text = str(error)
            except Exception as error:  # a page that stands still for ever, and does not say why, helps nobody
                self._text = repr(error)
            for event in self._labelling.reset():
                self._board.event(event.kind, event.label, event.score, event.duration_sec)
            self._stopped.wait(RETRY_SEC)

    def _in_time(self, frames: Iterable[AnyFrame]) -> Iterator[AnyFrame]:
        """Each frame when its stamp says so; frames that come too late come at once."""
        start = None
        for frame in frames:
            now, stamp = time.monotonic(), frame.stamp_ns / NANOSECONDS
            if self._is_paced:
                if start is None or now - start - stamp > MOST_BEHIND_SEC:
                    start = now - stamp
                self._stopped.wait(max(0.0, start + stamp - now))
            yield frame

    def _step(self, frame: AnyFrame) -> None:
        began = time.monotonic()
        self._latest, self._text = began, ""
        self._frames.append(began)
        self._board.picture(frame)
        shown, events = self._labelling.push(frame)
        for event in events:
            self._board.event(event.kind, event.label, event.score, event.duration_sec)
        if shown is not None:
            done = time.monotonic()
            self._labels.append(done)
            self._latencies.append((done - began) * 1000)
            self._board.labels(shown.top, shown.provisional)

    def _watch(self) -> None:
        while not self._stopped.wait(WATCH_SEC):
            status = self._labelling.stream.status
            stream = StreamFacts(status.phase, status.step, status.warm_up, _hindrance(status.slow_camera))
            self._board.state(SourceFacts(self._name, self._state(), self._text), stream, self._numbers())

    def _state(self) -> str:
        if not self._latest:
            return LOST if self._text else WAITING
        return PLAYING if time.monotonic() - self._latest < SILENT_SEC else LOST

    def _numbers(self) -> Numbers:
        oldest = time.monotonic() - WINDOW_SEC
        rates: List[float] = []
        for times in (self._frames, self._labels):
            while times and times[0] < oldest:
                times.popleft()
            rates.append(len(times) / WINDOW_SEC)
        latencies = list(self._latencies) if rates[1] else []
        if not latencies:
            return Numbers(rates[0], rates[1])
        p50, p95, p99 = (round(float(value), 2) for value in np.percentile(latencies, (50, 95, 99)))
        return Numbers(rates[0], rates[1], (p50, p95, p99))


def _hindrance(slow_camera: bool) -> str:
    return "the camera is slower than the frames the model was trained with" if slow_camera else ""
