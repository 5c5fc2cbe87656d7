"""Labels for a sequence of frames: the one loop behind `infer`, `bag`, `live` and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import DataError, ImageError
from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.postprocess import top_k as best
from opendr_har_core.streaming.stream import AnyFrame


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


def mean_prediction(predictions: Sequence[Prediction], labels: LabelMap, top_k: int = 5) -> Prediction:
    """The mean of all scores, stamped as the last prediction; raises DataError without predictions.

    Provisional predictions count only if there are no others.
    """
    if not predictions:
        raise DataError("there is no prediction to average: the video is too short for the model's warm-up")
    certain = [prediction for prediction in predictions if not prediction.provisional]
    stacked = np.stack([prediction.scores for prediction in certain or predictions])
    scores: np.ndarray = stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Prediction(predictions[-1].stamp_ns, best(scores, labels, top_k), scores, provisional=not certain)
