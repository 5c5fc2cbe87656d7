"""From frames to labels: a stream, its label filter and its events.

The nodes and `opendr-har` share it, so both label the same images alike.
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
    """A stream with its filter and events; unlike a stream, not thread-safe."""

    def __init__(self, stream: Stream, settings: LabelSettings) -> None:
        """Own `stream`; after pushing to it with `Recognizer.push_many`, pass the result to `settle`."""
        self.stream = stream
        self._filter = LabelFilter(settings, stream.backend.labels)
        self._events = LabelEvents()
        self._latest_ns = 0

    def push(self, frame: AnyFrame) -> Settled:
        """Push the next frame; returns what `settle` does, raises what `Stream.push` does."""
        return self.settle(self.stream.push(frame), frame.stamp_ns)

    def settle(self, prediction: Optional[Prediction], stamp_ns: int) -> Settled:
        """Filter the stream's answer to the frame of this stamp: (prediction to show or None, events).

        If the frame reset the stream, the current label ends with the frame before.
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
        """Use these settings from the next prediction on."""
        self._filter.settings = settings

    def reset(self) -> Tuple[LabelEvent, ...]:
        """Reset stream and filter; the current label ends with the latest frame."""
        self.stream.reset()
        return self._forget()

    def close(self, stamp_ns: int) -> Tuple[LabelEvent, ...]:
        """End the current label at `stamp_ns`, after the last frame."""
        return self._events.close(stamp_ns)

    def _forget(self) -> Tuple[LabelEvent, ...]:
        self._filter.reset()
        return self._events.close(self._latest_ns)
