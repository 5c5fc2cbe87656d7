"""Whether a fine-tuned network says the same of a live stream as of clips: CoX3D frame by frame, X3D clip by clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Iterator, List, Sequence

import numpy as np

from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.frame import Frame
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.streaming.recognizer import Recognizer

# Answers of each network that are compared, from when the one that needs a longer history gives its first.
STEPS = 12


@dataclass(frozen=True)
class LiveAgreement:
    """How often both networks say the same.

    Attributes:
        clips, live: class ids of the X3D and of the CoX3D, one for each stream, from the mean of its last answers.
        same_steps: share (0..1) of single answers in which both agree.
    """

    clips: List[int]
    live: List[int]
    same_steps: float

    @property
    def same(self) -> int:
        """Number of streams of which both say the same."""
        return sum(clip == live for clip, live in zip(self.clips, self.live))


def live_agreement(network: X3D, videos: Sequence[np.ndarray], fps: float, labels: LabelMap) -> LiveAgreement:
    """Show each video, uint8 (T, H, W, 3), over and over to an X3D and to a CoX3D that have `network`'s weights.

    Both run as robots run them: exported, on ONNX Runtime, on a stream that is sampled by its stamps.
    """
    continual = CoX3D(network.config, network.num_classes).eval()
    continual.load_state_dict(network.state_dict())
    with TemporaryDirectory() as folder:
        x3d = Recognizer.open(export_bundle(network, Path(folder) / "x3d.onnx", labels, source="fine-tuning"))
        cox3d = Recognizer.open(export_bundle(continual, Path(folder) / "cox3d.onnx", labels, source="fine-tuning"))
    clips = [answers(x3d, video, fps, cox3d.spec.warm_up + STEPS) for video in videos]
    live = [answers(cox3d, video, fps, cox3d.spec.warm_up + STEPS) for video in videos]
    agreed = [ours.argmax(axis=1) == theirs.argmax(axis=1) for ours, theirs in zip(clips, live)]
    return LiveAgreement(_labels(clips), _labels(live), float(np.mean(agreed)))


def answers(recognizer: Recognizer, video: np.ndarray, fps: float, steps: int) -> np.ndarray:
    """Probabilities (STEPS, C) that a stream of `steps` sampled frames ends in, the video repeated end to end."""
    stream = recognizer.stream()
    found = []
    for frame in endless(video, fps):
        prediction = stream.push(frame)
        if prediction is not None and stream.status.sampled:
            found.append(prediction.scores)
        if stream.status.step == steps:
            break
    return np.stack(found[-STEPS:])


def endless(video: np.ndarray, fps: float) -> Iterator[Frame]:
    """The video over and over, as a camera of that rate would stamp it."""
    index = 0
    while True:
        yield Frame(video[index % len(video)], round(index / fps * 1e9))
        index += 1


def _labels(outputs: Sequence[np.ndarray]) -> List[int]:
    return [int(np.log(scores).mean(axis=0).argmax()) for scores in outputs]
