"""Plays a source to a pipeline as a camera would, and writes the results to the state of the live page."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from itertools import cycle
from queue import Queue
from typing import Callable, Deque, Iterable, Iterator, List, Optional, Union

import numpy as np

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import HarError
from opendr_har_core.frame import Frame
from opendr_har_core.live.state import LOST, PLAYING, WAITING, LiveState, Metrics, ModelInfo, SourceInfo, StreamInfo
from opendr_har_core.people.pipeline import PeopleFrame, PeoplePipeline, people_frames
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelledFrame, LabelPipeline, label_frames
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.crowd import render_crowd
from opendr_har_core.synthetic.scene import render_at

# Opens a source of frames; a source that waits by itself has to ask the given function whether to stop.
OpenFrames = Callable[[Callable[[], bool]], Iterable[AnyFrame]]

# A source that ended or failed is opened again after RETRY_SEC; one that is silent for SILENT_SEC is lost.
RETRY_SEC, SILENT_SEC = 1.0, 2.0
STATUS_SEC = 0.25
# Rates are means over the last seconds, latencies those of the last labels.
WINDOW_SEC, LATENCIES = 3.0, 200
# A player that is further behind the stamps of a file skips ahead instead of hurrying.
MOST_BEHIND_SEC = 0.5
# One figure whose actions are all well visible; rendering a frame takes a few milliseconds.
SYNTHETIC_SEED, SYNTHETIC_FPS, SYNTHETIC_SEC = 25, 15.0, 5.0
PEOPLE, PEOPLE_SEED = ("walking", "waving both hands", "jumping jacks"), 3


def synthetic_frames(_is_stopped: Callable[[], bool]) -> Iterator[Frame]:
    """All synthetic actions in turn, indefinitely."""
    start = 0.0
    times = (np.arange(round(SYNTHETIC_SEC * SYNTHETIC_FPS)) / SYNTHETIC_FPS).tolist()
    for action in cycle(ACTIONS):
        for frame in render_at(action, times, seed=SYNTHETIC_SEED):
            yield Frame(frame.rgb, round(start * NANOSECONDS) + frame.stamp_ns)
        start += SYNTHETIC_SEC


def synthetic_people(_is_stopped: Callable[[], bool]) -> Iterator[Frame]:
    """Three people who do different things, for an hour."""
    for each in render_crowd(PEOPLE, 3600.0, SYNTHETIC_FPS, seed=PEOPLE_SEED):
        yield each.frame


class Player:
    """Two threads: one reads and labels frames, one reports the status; `stop` ends them."""

    def __init__(
        self,
        name: str,
        open_frames: OpenFrames,
        pipeline: Union[LabelPipeline, PeoplePipeline],
        state: LiveState,
        is_paced: bool,
    ) -> None:
        """`is_paced`: whether the source delivers at any speed, so that stamps say when a frame is due."""
        self._name, self._open_frames = name, open_frames
        self._pipeline, self._state = pipeline, state
        # Called in the player's thread for each frame: (track id or "", its prediction or None, what was seen).
        self.listener: Callable[[str, Optional[Prediction], AnyFrame], None] = lambda *_: None
        self._heads: Queue[Optional[Head]] = Queue()
        self._is_paced = is_paced
        self._stopped = threading.Event()
        self._latest = 0.0
        # When the source was asked for its next frame; infinite while a frame is in work.
        self._asked = math.inf
        self._text = ""
        self._frames: Deque[float] = deque()
        self._labels: Deque[float] = deque()
        self._latencies: Deque[float] = deque(maxlen=LATENCIES)
        self._threads = [
            threading.Thread(target=work, name=f"live {what}", daemon=True)
            for what, work in (("player", self._play), ("status", self._report))
        ]

    def start(self) -> None:
        """Start to play."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_sec: float = 5.0) -> None:
        """Stop; the thread of a camera that does not answer is abandoned."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout_sec)

    def change_head(self, head: Optional[Head]) -> None:
        """Use another head from the next frame on; any thread may call this. The head has to fit the model."""
        self._heads.put(head)

    def _play(self) -> None:
        while not self._stopped.is_set():
            try:
                self._label()
                self._text = "the source has ended"
            except HarError as error:
                self._text = str(error)
            except Exception as error:  # show it on the page and try again
                self._text = repr(error)
            self._end()
            self._stopped.wait(RETRY_SEC)

    def _arriving(self) -> Iterator[AnyFrame]:
        """Each frame when it is due by its stamp; late frames come at once."""
        start = None
        self._asked = min(self._asked, time.monotonic())  # a source that failed is silent since then
        for frame in self._open_frames(self._stopped.is_set):
            self._asked = math.inf
            now, stamp = time.monotonic(), frame.stamp_ns / NANOSECONDS
            if self._is_paced:
                if start is None or now - start - stamp > MOST_BEHIND_SEC:
                    start = now - stamp
                self._stopped.wait(max(0.0, start + stamp - now))
            if self._stopped.is_set():
                return
            self._latest, self._text = time.monotonic(), ""
            self._frames.append(self._latest)
            self._state.push_frame(frame)
            self._take_heads()
            yield frame
            self._asked = time.monotonic()

    def _take_heads(self) -> None:
        while not self._heads.empty():
            head = self._heads.get()
            if isinstance(self._pipeline, PeoplePipeline):
                for track_id, event in self._pipeline.change_head(head):
                    self._push_event(event, track_id)
                model = ModelInfo.of(self._pipeline.new_stream())
            else:
                for event in self._pipeline.change_head(head):
                    self._push_event(event)
                model = ModelInfo.of(self._pipeline.stream)
            self._state.set_model(model)

    def _label(self) -> None:
        """Label all frames that arrive."""
        if isinstance(self._pipeline, PeoplePipeline):
            for found in people_frames(self._pipeline, self._arriving()):
                self._take_people(found)
        else:
            for item in label_frames(self._pipeline, self._arriving()):
                self._take(item)

    def _take(self, item: LabelledFrame) -> None:
        for event in item.events:
            self._push_event(event)
        if item.error is not None:
            self._text = str(item.error)
        else:
            self.listener("", item.prediction, item.frame)
        if item.shown is not None:
            self._count_label()
            self._state.push_labels(item.shown.top, item.shown.provisional)

    def _take_people(self, found: PeopleFrame) -> None:
        for track_id, event in found.people.events:
            self._push_event(event, track_id)
        if found.error is not None:
            self._text = str(found.error)
            return
        if any(person.is_new for person in found.people.people):
            self._count_label()
        self._state.push_people(found.people.people, found.frame.size)
        for person in found.people.people:
            if person.crop is not None:
                self.listener(person.track_id, person.label if person.is_new else None, person.crop)

    def _end(self) -> None:
        """End all labels: the source has ended."""
        if isinstance(self._pipeline, PeoplePipeline):
            for track_id, event in self._pipeline.reset():
                self._push_event(event, track_id)
            self._state.push_people((), (1, 1))
        else:
            for event in self._pipeline.reset():
                self._push_event(event)

    def _count_label(self) -> None:
        done = time.monotonic()
        self._labels.append(done)
        self._latencies.append((done - self._latest) * 1000)

    def _push_event(self, event: LabelEvent, track_id: str = "") -> None:
        self._state.push_event(event.kind, event.label, event.score, event.duration_sec, track_id)

    def _report(self) -> None:
        while not self._stopped.wait(STATUS_SEC):
            source = SourceInfo(self._name, self._source_state(), self._text)
            self._state.set_status(source, self._stream_info(), self._metrics())

    def _stream_info(self) -> StreamInfo:
        if isinstance(self._pipeline, PeoplePipeline):
            return StreamInfo()  # each person has an own warm-up
        status = self._pipeline.stream.status
        warning = "the camera is slower than the training frame rate" if status.slow_camera else ""
        return StreamInfo(status.phase, status.step, status.warm_up, warning)

    def _source_state(self) -> str:
        if not self._latest:
            return LOST if self._text else WAITING
        return PLAYING if time.monotonic() - self._asked < SILENT_SEC else LOST

    def _metrics(self) -> Metrics:
        oldest = time.monotonic() - WINDOW_SEC
        rates: List[float] = []
        for times in (self._frames, self._labels):
            while times and times[0] < oldest:
                times.popleft()
            rates.append(len(times) / WINDOW_SEC)
        latencies = list(self._latencies) if rates[1] else []
        if not latencies:
            return Metrics(rates[0], rates[1])
        p50, p95, p99 = (round(float(value), 2) for value in np.percentile(latencies, (50, 95, 99)))
        return Metrics(rates[0], rates[1], (p50, p95, p99))
