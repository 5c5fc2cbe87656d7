"""Accuracy of the packaged demonstration model: on drawn clips that training never saw, and on folders of real ones.

python benchmarks/default_model.py [--clips 100] [--real FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from opendr_har_core import Recognizer
from opendr_har_core.offline import mean_prediction, recognize_video
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.synth.motions import ACTIONS
from opendr_har_core.synth.scene import render_at

IMAGE_SIZE = (240, 320)


def drawn_accuracy(recognizer: Recognizer, clips: int) -> float:
    """Print a row per action with what its clips were taken for; returns the share of clips named rightly."""
    right = 0
    for class_id, action in enumerate(ACTIONS):
        named = Counter(label_of_drawn(recognizer, action, seed=10_000 * class_id + clip) for clip in range(clips))
        right += named[action]
        sys.stdout.write(f"{action:<20} {named[action] / clips:6.1%}  {dict(named)}\n")
    return right / (clips * len(ACTIONS))


def label_of_drawn(recognizer: Recognizer, action: str, seed: int) -> str:
    """The label of one clip of just the length that the model needs; seeds under a million are not trained on."""
    period = recognizer.spec.period_ns / NANOSECONDS
    stream = recognizer.stream()
    found = [
        stream.push(f) for f in render_at(action, [i * period for i in range(recognizer.spec.window)], IMAGE_SIZE, seed)
    ]
    return next(prediction.label for prediction in found if prediction)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100, help="drawn clips per action")
    parser.add_argument("--real", type=Path, help="folder of videos to name as well")
    options = parser.parse_args()
    recognizer = Recognizer.open("default")
    sys.stdout.write(f"all drawn clips      {drawn_accuracy(recognizer, options.clips):6.1%}\n")
    for path in sorted(options.real.glob("*.*")) if options.real else ():
        mean = mean_prediction(list(recognize_video(recognizer, path)), recognizer.labels, top_k=2)
        sys.stdout.write(f"{path.name:<20} {', '.join(f'{item.label} {item.score:.2f}' for item in mean.top)}\n")


if __name__ == "__main__":
    main()
