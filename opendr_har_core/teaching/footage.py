"""Footage as what a network makes of it: the material of a calibration."""

from __future__ import annotations

from typing import Iterable, List, Tuple

import numpy as np

from opendr_har_core.errors import ImageError
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_core.teaching.calibration import Stretch


def stretches_of(recognizer: Recognizer, frames: Iterable[AnyFrame]) -> List[Stretch]:
    """The network's own probabilities and features for frames; a new stretch begins where the stream is reset.

    Frames that can't be read are left out. Raises BackendError, and what `frames` raises.
    """
    stream = recognizer.with_head(None).stream()
    stretches: List[List[Tuple[np.ndarray, np.ndarray]]] = [[]]
    for frame in frames:
        try:
            prediction = stream.push(frame)
        except ImageError:
            continue
        if stream.status.reset:
            stretches.append([])
        if prediction is not None and prediction.features is not None:
            stretches[-1].append((prediction.scores, prediction.features))
    return [(np.stack(scores), np.stack(features)) for scores, features in (zip(*rows) for rows in stretches if rows)]
