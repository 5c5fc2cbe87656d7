"""`opendr-har bag`: the labels of a recording, as a recording."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opendr_har_core.cli.options import (
    add_file,
    add_folder,
    add_job,
    add_model,
    add_recognizer,
    add_runtime,
    filter_settings,
    open_recognizer,
    stream_settings,
)
from opendr_har_core.cli.output import Output, Result

if TYPE_CHECKING:
    from opendr_har_core.recordings.bag_labels import LabelBagSettings, LabelledBag

DISTRIBUTIONS = ("foxy", "humble", "jazzy", "kilted")
CLASS_ID_FORMATS = ("name", "index")


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "bag",
        help="label the images in a rosbag2",
        description="Write a bag with the labels of a bag's images, each recorded at the time of its image: what the "
        "recognizer node publishes when it gets every image. Needs the package rosbags, not ROS.",
        examples=(
            "walk --model cox3d_s.onnx",
            "walk --topic /front/image_raw --output walk_front_labels --threshold 0.5",
        ),
        run=run,
    )
    what = "folder with metadata.yaml, or one .db3 or .mcap"
    add_file(parser, "bag", suffixes=("db3", "mcap"), metavar="INPUT_BAG", type=Path, help=what)
    add_folder(parser, "--output", type=Path, metavar="BAG", help="the new bag (default: INPUT_BAG_labels)")
    parser.add_argument("--topic", metavar="T", help="images to label (default: the only ones there are)")
    add_model(parser)
    parser.add_argument(
        "--distribution", choices=DISTRIBUTIONS, default="kilted", help="whose vision_msgs to write (default: kilted)"
    )
    parser.add_argument("--class-id-format", choices=CLASS_ID_FORMATS, default="name", help="default: name")
    add_recognizer(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Label one bag and say what came of it."""
    from opendr_har_core.recordings.bag_labels import label_bag, labels_path
    from opendr_har_core.recordings.bag_writer import check_is_new

    output = options.output or labels_path(options.bag)
    check_is_new(output)
    settings = _settings(options)
    recognizer = open_recognizer(options)
    with options.out.progress(f"labelling {options.bag.name}", "images") as report:
        done = label_bag(recognizer, options.bag, output, settings, report)
    _say_what_was_wrong(options.out, done)
    text = f"{done.path}: {done.labels} labels and {done.events} events of {done.images} images\n"
    values = asdict(done)
    return Result(text, {"output": values.pop("path"), **values})


def _settings(options: argparse.Namespace) -> LabelBagSettings:
    from opendr_har_core.recordings.bag_labels import LabelBagSettings

    return LabelBagSettings(
        topic=options.topic,
        filter=filter_settings(options),
        class_id_format=options.class_id_format,
        distribution=options.distribution,
        **stream_settings(options),
    )


def _say_what_was_wrong(out: Output, done: LabelledBag) -> None:
    if done.resets:
        out.note(f"the history was forgotten {done.resets} times: stamps jump or the images change their size")
    if done.unreadable:
        out.warn(f"{done.unreadable} images could not be used, the last because {done.last_error}")
