"""One camera's labels: what its stream predicts, calmed down for people, and what began and ended thereby.

Live nodes and the labelling of bags share this, so that both say the same of the same images.
"""

from __future__ import annotations

from typing import Optional, Tuple

from opendr_har_core.prediction import Prediction
from opendr_har_core.streaming.events import LabelEvent, LabelEvents
from opendr_har_core.streaming.postprocess import LabelFilter
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.streaming.stream import AnyFrame, Stream

Settled = Tuple[Optional[Prediction], Tuple[LabelEvent, ...]]


class LabelPipeline:
    """A stream with its filter and its events; unlike a stream, it is for one thread at a time."""

    def __init__(self, stream: Stream, settings: LabelSettings) -> None:
        """Takes the stream over: whoever pushes to it by `Recognizer.push_many` tells `settle` what came of it."""
        self.stream = stream
        self._filter = LabelFilter(settings, stream.recognizer.labels)
        self._events = LabelEvents()
        self._latest_ns = 0

    def push(self, frame: AnyFrame) -> Settled:
        """Show the stream its next frame; see `settle`, and `Stream.push` for errors, which change nothing."""
        return self.settle(self.stream.push(frame), frame.stamp_ns)

    def settle(self, prediction: Optional[Prediction], stamp_ns: int) -> Settled:
        """The filtered prediction, if there is one, and the events, after the stream was shown a frame of this stamp.

        Where the frame made the stream forget its history, labels end with the frame before it.
        """
        events: Tuple[LabelEvent, ...] = ()
        if self.stream.status.reset:
            events = self._forget()
        self._latest_ns = stamp_ns
        if prediction is None:
            return None, events
        shown = self._filter.update(prediction)
        return shown, events + self._events.update(shown, self._filter.settings.no_activity_label)

    def change_filter(self, settings: LabelSettings) -> None:
        """Use other settings from the next prediction on."""
        self._filter.settings = settings

    def reset(self) -> Tuple[LabelEvent, ...]:
        """Forget what was seen; what ends thereby ends with the latest frame."""
        self.stream.reset()
        return self._forget()

    def close(self, stamp_ns: int) -> Tuple[LabelEvent, ...]:
        """End what holds at `stamp_ns`, where nothing more is to come."""
        return self._events.close(stamp_ns)

    def _forget(self) -> Tuple[LabelEvent, ...]:
        self._filter.reset()
        return self._events.close(self._latest_ns)
