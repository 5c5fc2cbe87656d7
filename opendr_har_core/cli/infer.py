"""`opendr-har infer`: what happens in a video file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from opendr_har_core.offline import mean_prediction, recognize_video
from opendr_har_core.prediction import Prediction
from opendr_har_core.recognizer import Recognizer
from opendr_har_core.sampling import MODES, STAMPS
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.stream import NO_WARM_START, WARM_STARTS


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "infer",
        help="label a video",
        description="Print the labels of a video over time, then the label of the whole.",
        epilog="example: opendr-har infer clip.mp4 --model cox3d_s.onnx",
    )
    parser.add_argument("video", help="file to read")
    parser.add_argument("--model", default="default", help="bundle, .onnx (default: the packaged demonstration model)")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="labels per line (default: 3)")
    parser.add_argument(
        "--sampling",
        choices=MODES,
        default=STAMPS,
        help="frames to look at: those at the training rate, all for one history, or all for several (default: stamps)",
    )
    parser.add_argument(
        "--warm-start",
        choices=WARM_STARTS,
        default=NO_WARM_START,
        help="'repeat' gives provisional labels from the first frame on, as if it had stood still (default: none)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Stream the file through the model, as a camera would."""
    recognizer = Recognizer.open(options.model)
    write = _write_json if options.json else _write_text
    predictions = []
    for prediction in recognize_video(recognizer, options.video, options.top, options.sampling, options.warm_start):
        predictions.append(prediction)
        write(f"{prediction.stamp_ns / NANOSECONDS:.2f}", prediction)
    write("whole", mean_prediction(predictions, recognizer.labels, options.top))


def _write_text(when: str, prediction: Prediction) -> None:
    labels = ", ".join(f"{item.label} {item.score:.2f}" for item in prediction.top)
    mark = "  (provisional)" if prediction.provisional else ""
    sys.stdout.write(f"{when:>8}  {labels}{mark}\n")


def _write_json(when: str, prediction: Prediction) -> None:
    top = [{"label": item.label, "class_id": item.class_id, "score": item.score} for item in prediction.top]
    sys.stdout.write(json.dumps({"time": when, "provisional": prediction.provisional, "top": top}) + "\n")
