"""From frames to labels: a stream, its label filter and its events, and the one loop over a sequence of frames.

The nodes and `opendr-har` share it, so both label the same images alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import DataError, ImageError
from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_core.streaming.events import LabelEvent, LabelEvents
from opendr_har_core.streaming.postprocess import LabelFilter, top_k
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.streaming.stream import AnyFrame, Stream

Settled = Tuple[Optional[Prediction], Tuple[LabelEvent, ...]]


class LabelPipeline:
    """A stream with its filter and events; unlike a stream, not thread-safe."""

    def __init__(self, stream: Stream, settings: LabelSettings) -> None:
        """Own `stream`; after pushing to it with `Recognizer.push_many`, pass the result to `settle`."""
        self.stream = stream
        self._filter = LabelFilter(settings, stream.labels)
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

    def change_head(self, head: Optional[Head]) -> Tuple[LabelEvent, ...]:
        """Use another head from the next frame on; the filter starts anew, the stream keeps its history.

        The current label ends with the latest frame, unless the new head has it too. Raises ModelError for a head that
        does not fit.
        """
        self.stream.change_head(head)
        self._filter = LabelFilter(self._filter.settings, self.stream.labels)
        goes_on = self._events.label in self.stream.labels.names
        return () if goes_on else self._events.close(self._latest_ns)

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


@dataclass(frozen=True)
class LabelledFrame:
    """A frame and what a label pipeline says after it.

    Attributes:
        frame: the frame.
        prediction: the model's own; None if the frame is not sampled or the stream is warming up.
        shown: the filtered prediction, whose best label is the one to show; None as above.
        events: labels that began or ended with this frame.
        error: why the image could not be read, which leaves the stream as it was.
    """

    frame: AnyFrame
    prediction: Optional[Prediction] = None
    shown: Optional[Prediction] = None
    events: Tuple[LabelEvent, ...] = ()
    error: Optional[ImageError] = None


def label_frames(pipeline: LabelPipeline, frames: Iterable[AnyFrame]) -> Iterator[LabelledFrame]:
    """Push frames through a pipeline, one at a time, and yield each with its labels.

    While a frame is yielded, `pipeline.stream.status` is the stream's status after it. Labels that still hold at the
    end stay open: call `pipeline.close` or `pipeline.reset`. Raises BackendError, and what `frames` raises.
    """
    for frame in frames:
        try:
            prediction = pipeline.stream.push(frame)
        except ImageError as error:
            yield LabelledFrame(frame, error=error)
            continue
        shown, events = pipeline.settle(prediction, frame.stamp_ns)
        yield LabelledFrame(frame, prediction, shown, events)


def mean_prediction(predictions: Sequence[Prediction], labels: LabelMap, count: int = 5) -> Prediction:
    """The mean of all scores, stamped as the last prediction; raises DataError without predictions.

    Provisional predictions count only if there are no others.
    """
    if not predictions:
        raise DataError("there is no prediction to average: the video is too short for the model's warm-up")
    certain = [prediction for prediction in predictions if not prediction.provisional]
    stacked = np.stack([prediction.scores for prediction in certain or predictions])
    scores: np.ndarray = stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Prediction(predictions[-1].stamp_ns, top_k(scores, labels, count), scores, provisional=not certain)
