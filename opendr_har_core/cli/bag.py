"""`opendr-har bag`: write the labels of a rosbag2 as a rosbag2."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opendr_har_core.cli.options import (
    add_job,
    add_model,
    add_people,
    add_recognizer,
    add_runtime,
    open_people,
    open_pipeline,
)
from opendr_har_core.cli.output import Result

DISTRIBUTIONS = ("humble", "jazzy", "kilted", "lyrical")
CLASS_ID_FORMATS = ("name", "index")


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "bag",
        help="label the images in a rosbag2",
        description="Write a bag with the labels of a bag's images, each recorded at the time of its image: what the "
        "recognizer node, or with --people the people node, publishes when it gets every image. Needs "
        "the package rosbags, not ROS.",
        examples=(
            "walk --model cox3d_s.onnx",
            "walk --people",
            "walk --topic /front/image_raw --output walk_front_labels --threshold 0.5",
        ),
        run=run,
        extra="bags",
    )
    what = "folder with metadata.yaml, or one .db3 or .mcap"
    parser.add_argument("bag", metavar="INPUT_BAG", type=Path, help=what)
    parser.add_argument("--output", type=Path, metavar="BAG", help="the new bag (default: INPUT_BAG_labels)")
    parser.add_argument("--topic", metavar="T", help="images to label (default: the only ones there are)")
    add_model(parser)
    parser.add_argument(
        "--distribution", choices=DISTRIBUTIONS, default="jazzy", help="whose bag format to write (default: jazzy)"
    )
    parser.add_argument("--class-id-format", choices=CLASS_ID_FORMATS, default="name", help="default: name")
    add_people(parser)
    add_recognizer(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Label one bag and print counts."""
    from opendr_har_core.recordings.bag_writer import check_is_new
    from opendr_har_core.recordings.label_bag import LabelBagSettings, label_bag, labels_path

    output = options.output or labels_path(options.bag)
    check_is_new(output)
    settings = LabelBagSettings(options.topic, options.class_id_format, distribution=options.distribution)
    pipeline = open_people(options) if options.people else open_pipeline(options)
    with options.out.progress(f"labelling {options.bag.name}", "images") as report:
        done = label_bag(pipeline, options.bag, output, settings, report)
    if done.resets:
        options.out.note(f"the stream restarted {done.resets} times: stamps jump or the image size changes")
    if done.unreadable:
        options.out.warn(f"{done.unreadable} images could not be used; the last error: {done.last_error}")
    who = f" of {done.people} people" if options.people else ""
    text = f"{done.path}: {done.labels} labels and {done.events} events{who} of {done.images} images\n"
    values = asdict(done)
    return Result(text, {"output": values.pop("path"), **values})
