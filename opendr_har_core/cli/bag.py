"""`opendr-har bag`: the labels of a recording, as a recording."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from opendr_har_core.bags.label_bag import LabelBagSettings, LabelledBag, label_bag, labels_path
from opendr_har_core.bags.label_messages import CLASS_ID_FORMATS, DISTRIBUTIONS
from opendr_har_core.bags.writing import check_is_new
from opendr_har_core.postprocess import FilterSettings
from opendr_har_core.recognizer import Recognizer
from opendr_har_core.sampling import MODES
from opendr_har_core.stream import WARM_STARTS

# Often enough to see it move, seldom enough to cost nothing.
SHOW_EVERY = 20


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "bag",
        help="label the images in a rosbag2",
        description="Write a bag with the labels of a bag's images, each recorded at the time of its image: what the "
        "recognizer node publishes when it gets every image. Needs the package rosbags, not ROS.",
        epilog="example: opendr-har bag walk --model cox3d_s.onnx; ros2 bag play walk & ros2 bag play walk_labels",
    )
    parser.add_argument("bag", metavar="INPUT_BAG", type=Path, help="folder with metadata.yaml, or one .db3 or .mcap")
    parser.add_argument("--output", type=Path, metavar="BAG", help="the new bag (default: INPUT_BAG_labels)")
    parser.add_argument("--topic", metavar="T", help="images to label (default: the only ones there are)")
    parser.add_argument("--model", default="default", help="bundle, .onnx (default: the packaged demonstration model)")
    parser.add_argument(
        "--distribution", choices=DISTRIBUTIONS, default="kilted", help="whose vision_msgs to write (default: kilted)"
    )
    _add_recognizer_options(parser)
    parser.set_defaults(run=run)


def _add_recognizer_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("as the recognizer's parameters")
    options.add_argument("--sampling", choices=MODES, default=MODES[0], help=f"default: {MODES[0]}")
    options.add_argument("--warm-start", choices=WARM_STARTS, default=WARM_STARTS[0], help=f"default: {WARM_STARTS[0]}")
    options.add_argument("--max-gap-sec", type=float, default=2.0, metavar="S", help="default: 2")
    options.add_argument("--top-k", type=int, default=5, metavar="K", help="default: 5")
    options.add_argument("--threshold", type=float, default=0.0, metavar="P", help="default: 0")
    options.add_argument("--hysteresis", type=float, default=0.0, metavar="P", help="default: 0")
    options.add_argument("--no-activity-label", default="no activity", metavar="L", help="default: no activity")
    options.add_argument("--smoothing", type=float, default=0.0, metavar="S", help="default: 0")
    options.add_argument("--min-duration-sec", type=float, default=0.0, metavar="S", help="default: 0")
    options.add_argument("--class-id-format", choices=CLASS_ID_FORMATS, default="name", help="default: name")


def run(options: argparse.Namespace) -> None:
    """Label one bag and say what came of it."""
    output = options.output or labels_path(options.bag)
    check_is_new(output)
    settings = LabelBagSettings(
        topic=options.topic,
        sampling=options.sampling,
        warm_start=options.warm_start,
        max_gap_sec=options.max_gap_sec,
        filter=FilterSettings(
            top_k=options.top_k,
            smoothing_sec=options.smoothing,
            threshold=options.threshold,
            hysteresis=options.hysteresis,
            no_activity_label=options.no_activity_label,
            min_duration_sec=options.min_duration_sec,
        ),
        class_id_format=options.class_id_format,
        distribution=options.distribution,
    )
    show = _show if sys.stderr.isatty() else None
    _report(label_bag(Recognizer.open(options.model), options.bag, output, settings, show))


def _show(done: int, total: int) -> None:
    if done % SHOW_EVERY == 0 or done == total:
        sys.stderr.write(f"\r{done} of {total} images" + ("\n" if done == total else ""))
        sys.stderr.flush()


def _report(done: LabelledBag) -> None:
    sys.stdout.write(f"{done.path}: {done.labels} labels and {done.events} events of {done.images} images\n")
    if done.resets:
        sys.stderr.write(
            f"the history was forgotten {done.resets} times: stamps jump or the images change their size\n"
        )
    if done.unreadable:
        sys.stderr.write(f"{done.unreadable} images could not be used, the last because {done.last_error}\n")
