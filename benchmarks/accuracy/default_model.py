"""Accuracy of a packaged model on synthetic clips that training never saw, and on real videos of ../shared.

python benchmarks/accuracy/default_model.py [--model default] [--clips 40] [--output results.json]

Each real video is streamed as a camera delivers it, twice where it is shorter than the warm-up; the mean of all
predictions counts. `right` counts videos whose best label is the action in real_videos.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, List

from real_videos import RealVideo, gestures, scenes, silhouettes

from opendr_har_core import Frame, Recognizer
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.streaming.label_pipeline import mean_prediction
from opendr_har_core.synthetic.scene import render_at

IMAGE_SIZE = (240, 320)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="bundle of the synthetic actions")
    parser.add_argument("--clips", type=int, default=40, help="synthetic clips per action")
    parser.add_argument("--output", type=Path, help="write results here, .json")
    options = parser.parse_args()
    recognizer = Recognizer.open(options.model)
    results = {"model": options.model, "chance": 1 / len(recognizer.labels)}
    results["synthetic"] = table("synthetic clips", synthetic_labels(recognizer, options.clips))
    for videos in (gestures, silhouettes, scenes):
        labels = [(video.kind, video.action, real_label(recognizer, video)) for video in videos()]
        results[videos.__name__] = table(videos.__name__, labels)
    if options.output:
        with atomic_path(options.output) as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


def table(title: str, labels: List[Any]) -> Dict[str, Any]:
    """Print and return how many labels are right, and the labels of each kind of (kind, action, label)."""
    named: Dict[str, Counter] = {}
    for kind, _, label in labels:
        named.setdefault(kind, Counter())[label] += 1
    known = [(action, label) for _, action, label in labels if action is not None]
    right = sum(action == label for action, label in known)
    sys.stdout.write(f"{title}: {right} of {len(known)} right\n")
    for kind, counts in named.items():
        sys.stdout.write(f"    {kind:<26} {', '.join(f'{name} {n}' for name, n in counts.most_common())}\n")
    sys.stdout.flush()
    return {"right": right, "of": len(known), "named": {kind: dict(counts) for kind, counts in named.items()}}


def synthetic_labels(recognizer: Recognizer, clips: int) -> List[Any]:
    """Labels of `clips` clips per action, exactly as long as the model's window."""
    times = [index * recognizer.spec.period_ns / NANOSECONDS for index in range(recognizer.spec.window)]
    return [
        (action, action, mean_label(recognizer, render_at(action, times, IMAGE_SIZE, seed)))
        for action in recognizer.labels
        for seed in range(clips)
    ]


def real_label(recognizer: Recognizer, video: RealVideo) -> str:
    """Label of a whole video."""
    frames = video.frames
    if frames[-1].stamp_ns <= recognizer.spec.warm_up * recognizer.spec.period_ns:
        length_ns = frames[-1].stamp_ns + frames[1].stamp_ns
        frames += [Frame(frame.rgb, length_ns + frame.stamp_ns) for frame in frames]
    return mean_label(recognizer, frames)


def mean_label(recognizer: Recognizer, frames: Iterable[Frame]) -> str:
    """The label with the highest mean score over a stream of frames."""
    stream = recognizer.stream()
    found = [prediction for prediction in map(stream.push, frames) if prediction]
    return mean_prediction(found, recognizer.labels, top_k=1).label


if __name__ == "__main__":
    main()
