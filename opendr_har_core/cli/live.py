"""`opendr-har live`: show live labels on a page in the browser."""

from __future__ import annotations

import argparse
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Tuple

from opendr_har_core.cli.options import (
    add_job,
    add_model,
    add_people,
    add_recognizer,
    add_runtime,
    add_settings,
    open_people,
    open_pipeline,
    read_settings,
)
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError
from opendr_har_core.live.access import LiveSettings

if TYPE_CHECKING:
    from opendr_har_core.live.player import OpenFrames

# By name: the core works without ROS.
ROS_PART = "opendr_har_ros.live_topic"


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "live",
        help="show labels live, in the browser",
        description="Serve a page that shows a video, a webcam, a ROS 2 image topic or, without any of these, a "
        "synthetic figure, with the labels of a model. With --people, each person has labels. Ctrl-C ends it.",
        examples=(
            "",
            "--people",
            "--camera 0",
            "--video clip.mp4 --model cox3d_s.onnx",
            "--topic /camera/image_raw --threshold 0.5 --smoothing 0.5",
            "--camera 0 --host 0.0.0.0",
        ),
        run=run,
        extra="live",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--video", metavar="FILE", help="play a file in a loop")
    source.add_argument(
        "--camera",
        metavar="N",
        help="a webcam's number or device as in /dev/video0, or an address such as rtsp://camera/stream",
    )
    source.add_argument("--topic", metavar="TOPIC", help="a ROS 2 image topic")
    add_model(parser)
    add_settings(parser, LiveSettings, title="page")
    add_people(parser)
    add_recognizer(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Serve until Ctrl-C."""
    from dataclasses import replace

    from opendr_har_core.live.player import Player
    from opendr_har_core.live.server import LiveServer
    from opendr_har_core.live.state import LiveState, ModelInfo

    settings = read_settings(options, LiveSettings)
    pipeline: Any = open_people(options) if options.people else open_pipeline(options)
    name, open_frames, is_paced = _source(options)
    state = LiveState(name, ModelInfo.of(pipeline.new_stream() if options.people else pipeline.stream))
    server = LiveServer(settings, state)
    url = replace(settings, port=server.start()).url
    player = Player(name, open_frames, pipeline, state, is_paced)
    player.start()
    try:
        options.out.row({"url": url})
        options.out.text(f"{name}: {url}\n")
        options.out.flush()
        options.out.note("Ctrl-C ends it")
        threading.Event().wait()
    finally:
        player.stop()
        server.stop()
    return Result()


def _source(options: argparse.Namespace) -> Tuple[str, OpenFrames, bool]:
    """The name of the source, the function that opens it, and whether stamps say when a frame is due."""
    from opendr_har_core.media.video import is_address, is_camera, loop_frames, probe, public_name, read_video

    if options.topic:
        try:
            part = import_module(ROS_PART)
        except ImportError as error:
            raise ConfigError(f"--topic needs ROS 2 ({error}); source it, or install the extra 'ros'") from None
        return options.topic, part.topic_source(options.topic), False
    if options.camera is not None:
        number = str(options.camera).replace("/dev/video", "")
        if not is_camera(number):
            expected = "a number, a device as in /dev/video0, or an address such as rtsp://camera/stream"
            raise ConfigError(f"--camera is {options.camera!r}, expected {expected}")
        return f"camera {public_name(number)}", lambda _: read_video(number), is_address(number)
    if options.video:
        probe(options.video)  # report a file that can't be played immediately
        return str(options.video), lambda _: loop_frames(options.video), True
    from opendr_har_core.live.player import synthetic_frames, synthetic_people

    if options.people:
        return "synthetic people", synthetic_people, True
    return "synthetic figure", synthetic_frames, True
