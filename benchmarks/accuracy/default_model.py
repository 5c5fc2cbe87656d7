"""Accuracy of the packaged model: on drawn clips that training never saw, and on real videos of ../shared.

python benchmarks/accuracy/default_model.py [--model default] [--clips 40] [--output results.json]

Each real video is streamed as a camera would deliver it (twice where it is shorter than the model's clip); its answer
is the mean of all predictions. `right` counts videos whose answer is the action of the tables in default_material.py.
'Side by side' shows two gesture videos as one picture; a person detector finds the people, and each is named alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List

from real_videos import RealVideo, real_videos
from side_by_side import PersonDetector, cut_out, pairs

from opendr_har_core import Frame, Recognizer
from opendr_har_core.recordings.labelled import mean_prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.synthetic.scene import render_at

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).resolve().parents[3] / "shared"))
IMAGE_SIZE = (240, 320)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="bundle of the drawn actions")
    parser.add_argument("--clips", type=int, default=40, help="drawn clips per action")
    parser.add_argument("--output", type=Path, help="write results here, .json")
    options = parser.parse_args()
    recognizer = Recognizer.open(options.model)
    results = {"model": options.model, "chance": 1 / len(recognizer.labels)}
    results["drawn"] = table("drawn clips", drawn_answers(recognizer, options.clips))
    if (SHARED / "videos").is_dir():
        answers: Dict[str, List[Any]] = {}
        gestures = []
        for video in real_videos(SHARED):
            answers.setdefault(video.group, []).append((video.kind, video.action, answer(recognizer, video.frames)))
            if video.group == "gestures":
                gestures.append(video)
        answers["side by side"] = list(side_by_side(recognizer, gestures))
        results.update({group: table(group, found) for group, found in answers.items()})
    if options.output:
        with atomic_path(options.output) as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


def table(title: str, answers: List[Any]) -> Dict[str, Any]:
    """Print what each kind was taken for, and how many were right; returns the same."""
    named: Dict[str, Counter] = {}
    for kind, _, got in answers:
        named.setdefault(kind, Counter())[got] += 1
    meant = [(action, got) for _, action, got in answers if action is not None]
    right = sum(action == got for action, got in meant)
    sys.stdout.write(f"{title}: {right} of {len(meant)} right\n")
    for kind, counts in named.items():
        sys.stdout.write(f"    {kind:<20} {', '.join(f'{name} {n}' for name, n in counts.most_common())}\n")
    sys.stdout.flush()
    return {"right": right, "of": len(meant), "named": {kind: dict(counts) for kind, counts in named.items()}}


def drawn_answers(recognizer: Recognizer, clips: int) -> List[Any]:
    """One answer for each of `clips` clips per action, of just the length that the model needs."""
    times = [index * recognizer.spec.period_ns / NANOSECONDS for index in range(recognizer.spec.window)]
    return [
        (action, action, best(recognizer, render_at(action, times, IMAGE_SIZE, seed)))
        for action in recognizer.labels
        for seed in range(clips)
    ]


def side_by_side(recognizer: Recognizer, videos: List[RealVideo]) -> Iterator[Any]:
    """Two answers for each pair of videos."""
    detector = PersonDetector(SHARED / "detector" / "nanodet_g_416.onnx")
    for pair in pairs(len(videos)):
        shown = [videos[index] for index in pair]
        for video, frames in zip(shown, cut_out(detector, *(video.frames for video in shown))):
            yield video.kind, video.action, answer(recognizer, frames)


def answer(recognizer: Recognizer, frames: List[Frame]) -> str:
    """The label of a whole video."""
    needed_ns = recognizer.spec.warm_up * recognizer.spec.period_ns
    passes = 1 if frames[-1].stamp_ns > needed_ns else 2
    return best(recognizer, _again(frames, passes))


def best(recognizer: Recognizer, frames: Iterator[Frame]) -> str:
    """The label with the highest mean score over a stream of frames."""
    stream = recognizer.stream()
    found = [prediction for prediction in map(stream.push, frames) if prediction]
    return mean_prediction(found, recognizer.labels, top_k=1).label


def _again(frames: List[Frame], passes: int) -> Iterator[Frame]:
    step = frames[1].stamp_ns - frames[0].stamp_ns
    for turn in range(passes):
        start = turn * (frames[-1].stamp_ns + step)
        for frame in frames:
            yield Frame(frame.rgb, start + frame.stamp_ns)


if __name__ == "__main__":
    main()
