"""A whole video through a stream, as a camera would deliver it."""

from __future__ import annotations

import math
from typing import Iterator, Sequence

import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.labels import LabelMap
from opendr_har_core.postprocess import top_k as best
from opendr_har_core.prediction import Prediction
from opendr_har_core.recognizer import Recognizer
from opendr_har_core.sampling import STAMPS
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.stream import NO_WARM_START
from opendr_har_core.video import Source, is_camera, loop_frames, probe, read_video


def recognize_video(
    recognizer: Recognizer,
    source: Source,
    top_k: int = 5,
    sampling: str = STAMPS,
    warm_start: str = NO_WARM_START,
) -> Iterator[Prediction]:
    """Predictions over a file, which is looped where it is too short for the warm-up; over a webcam, without end.

    `sampling` and `warm_start` are those of `Recognizer.stream`.
    """
    stream = recognizer.stream(sampling, top_k=top_k, warm_start=warm_start)
    frames = read_video(source) if is_camera(source) else loop_frames(source, passes_needed(recognizer.spec, source))
    for frame in frames:
        prediction = stream.push(frame)
        if prediction:
            yield prediction


def passes_needed(spec: ModelSpec, source: Source) -> int:
    """How often a file must be played so that the last pass is labelled as a whole: one after the silent frames."""
    warm_up_sec = spec.silent_frames * spec.period_ns / NANOSECONDS
    return 1 + math.ceil(warm_up_sec / _duration_sec(source))


def mean_prediction(predictions: Sequence[Prediction], labels: LabelMap, top_k: int = 5) -> Prediction:
    """The prediction with the mean of all scores, stamped as the last one; raises DataError when there is none.

    Provisional ones do not count, unless there are no others.
    """
    if not predictions:
        raise DataError("there is no prediction to average: the video is too short for the model's warm-up")
    certain = [prediction for prediction in predictions if not prediction.provisional]
    stacked = np.stack([prediction.scores for prediction in certain or predictions])
    scores: np.ndarray = stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Prediction(predictions[-1].stamp_ns, best(scores, labels, top_k), scores, provisional=not certain)


def _duration_sec(source: Source) -> float:
    """Length of a file; counted where the file does not say."""
    info = probe(source)
    if info.frames:
        return info.frames / info.fps
    return info.duration_sec or sum(1 for _ in read_video(source)) / info.fps
