"""A whole video through a stream, as a camera would deliver it."""

from __future__ import annotations

import math
from typing import Iterator, Sequence

import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import Source, VideoInfo, is_camera, loop_frames, probe, read_video
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.postprocess import top_k as best
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import EVERY_FRAME, LabelSettings, StreamSettings


def recognize_video(
    recognizer: Recognizer,
    source: Source,
    top_k: int = LabelSettings.top_k,
    sampling: str = StreamSettings.sampling,
    warm_start: str = StreamSettings.warm_start,
    max_gap_sec: float = StreamSettings.max_gap_sec,
    min_frames: int = StreamSettings.min_frames,
) -> Iterator[Prediction]:
    """Predictions over a file, which is played as often as `passes_needed` says; over a webcam, without end.

    The arguments after `source` are those of `Recognizer.stream`; a file with fewer than `min_frames` sampled frames is
    labelled from those it has.
    """
    spec = recognizer.spec
    if is_camera(source):
        frames = read_video(source)
    else:
        frames = loop_frames(source, passes_needed(spec, source, sampling))
        min_frames = min(min_frames, sampled_frames(spec, source, sampling))
    stream = recognizer.stream(sampling, max_gap_sec, top_k, warm_start, min_frames=min_frames)
    for frame in frames:
        prediction = stream.push(frame)
        if prediction:
            yield prediction


def passes_needed(spec: ModelSpec, source: Source, sampling: str = StreamSettings.sampling) -> int:
    """How often to play a file so that the last pass is labelled as a whole: once for a network without lookahead."""
    info = probe(source)
    silent_sec = spec.silent_frames * sampled_every_sec(spec, info.fps, sampling)
    return 1 + math.ceil(round(silent_sec / _duration_sec(source, info), 6))  # 3 * 0.4 / 0.1 is a little over 12


def sampled_frames(spec: ModelSpec, source: Source, sampling: str = StreamSettings.sampling) -> int:
    """How many frames of a file a model samples at least, one or more."""
    info = probe(source)
    last_sec = _duration_sec(source, info) - 1 / info.fps
    return 1 + max(0, math.floor(round(last_sec / sampled_every_sec(spec, info.fps, sampling), 6)))


def sampled_every_sec(spec: ModelSpec, fps: float, sampling: str) -> float:
    """Seconds between the frames that a model samples of a video; it can't sample more frames than there are."""
    return 1 / fps if sampling == EVERY_FRAME else max(1 / fps, spec.period_ns / NANOSECONDS)


def mean_prediction(
    predictions: Sequence[Prediction], labels: LabelMap, top_k: int = LabelSettings.top_k
) -> Prediction:
    """The prediction with the mean of all scores, stamped as the last one; raises DataError when there is none.

    Provisional ones do not count, unless there are no others.
    """
    if not predictions:
        raise DataError("there is no prediction to average: the video is too short for the model's warm-up")
    certain = [prediction for prediction in predictions if not prediction.provisional]
    stacked = np.stack([prediction.scores for prediction in certain or predictions])
    scores: np.ndarray = stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Prediction(predictions[-1].stamp_ns, best(scores, labels, top_k), scores, provisional=not certain)


def _duration_sec(source: Source, info: VideoInfo) -> float:
    """Length of a file; counted where the file does not say."""
    if info.frames:
        return info.frames / info.fps
    return info.duration_sec or sum(1 for _ in read_video(source)) / info.fps
