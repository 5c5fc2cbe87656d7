"""`opendr-har annotate`: mark segments of a recording on a page in the browser."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import Any

from opendr_har_core.cli.options import (
    TABLE,
    add_job,
    add_labels,
    add_recognizer,
    add_runtime,
    add_settings,
    check_writable,
    given_labels,
    read_settings,
)
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.live.access import LiveSettings
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings

PAGE = ("host", "port", "token", "names", "picture_side")
# Next to that of `live`; the longer side of pictures.
PORT, SIDE = 8643, 960
NO_MODEL, MOST_MODELS = "none", 2


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "annotate",
        help="mark segments of a recording, in the browser",
        description="Serve a page on which a person marks segments of a video or bag with the keyboard, accepts those "
        "that a model suggests, compares two models, and teaches one. Segments go to a CSV. Ctrl-C ends it.",
        examples=(
            "clip.mp4 --to annotations.csv",
            "bags/kitchen --topic /camera/image_raw --classes wave,point,walk --to annotations.csv",
            "clip.mp4 --to annotations.csv --model default --model mine.onnx",
        ),
        run=run,
        extra="live",
    )
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="a video file or a rosbag2")
    what = "CSV with path,start,end,label; an existing one is continued, other recordings in it are kept"
    parser.add_argument("--to", type=Path, required=True, metavar="CSV", help=what)
    parser.add_argument("--topic", metavar="T", help="images in the bag (default: the only ones there are)")
    classes = parser.add_mutually_exclusive_group()
    classes.add_argument("--classes", metavar="A,B,...", help="class names, separated by commas")
    add_labels(classes, "the classes of the models")
    what = "model that suggests segments; give it twice to compare two; none: no suggestions (default: default)"
    parser.add_argument("--model", action="append", metavar="MODEL", help=what)
    what = "teach the first model's own classes, too; for default and continual"
    parser.add_argument("--keep-base", action="store_true", help=what)
    add_settings(parser, LiveSettings, title="page", names=PAGE, port=PORT, picture_side=SIDE)
    add_recognizer(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Serve until Ctrl-C."""
    from dataclasses import replace
    from functools import partial

    from opendr_har_core.live.annotator import Annotator
    from opendr_har_core.live.annotator_server import AnnotatorServer
    from opendr_har_core.recordings.label_video import label_video
    from opendr_har_core.streaming.recognizer import Recognizer

    settings = LiveSettings(**{name: getattr(options, name) for name in PAGE})
    if options.to.suffix.lower() != TABLE:
        raise ConfigError(f"--to is {options.to}, expected a file named *{TABLE}")
    check_writable(options.to)
    names = [name for name in options.model or [ModelSettings.model] if name != NO_MODEL]
    if len(names) > MOST_MODELS:
        raise ConfigError(f"{len(names)} models are given, expected at most {MOST_MODELS}")
    models = {name: Recognizer.open(name, options.providers, options.threads, options.spin) for name in names}
    given = given_labels(options)
    classes = list(LabelMap(map(str.strip, options.classes.split(","))) if options.classes else given or ())
    classes = classes or [name for model in models.values() for name in model.labels]
    if not classes:
        raise ConfigError("without a model, name the classes: --classes a,b,c or --labels CSV")
    options.out.note(f"reading {options.recording}")
    label = partial(
        label_video, stream=read_settings(options, StreamSettings), labels=read_settings(options, LabelSettings)
    )
    page = options.no_activity_label, options.keep_base, settings.picture_side
    annotator = Annotator(options.recording, options.topic, options.to, classes, models, label, *page)
    server = AnnotatorServer(settings, annotator)
    try:
        url = replace(settings, port=server.start()).url
        options.out.row({"url": url})
        options.out.text(f"{options.recording}: {url}\n")
        options.out.flush()
        options.out.note("Ctrl-C ends it; each change is saved at once")
        threading.Event().wait()
    finally:
        server.stop()
        annotator.stop()
    return Result()
