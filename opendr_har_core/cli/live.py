"""`opendr-har live`: show live labels on a page in the browser."""

from __future__ import annotations

import argparse
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Optional, Tuple

from opendr_har_core.cli.options import (
    add_job,
    add_model,
    add_people,
    add_recognizer,
    add_runtime,
    add_settings,
    open_people,
    open_pipeline,
    open_recognizer,
    read_settings,
)
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError
from opendr_har_core.live.access import LiveSettings

if TYPE_CHECKING:
    from opendr_har_core.live.player import OpenFrames
    from opendr_har_core.streaming.recognizer import Recognizer
    from opendr_har_core.teaching.teacher import Teacher

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
            "--camera 0 --lessons my_gestures",
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
    parser.add_argument(
        "--lessons", metavar="FOLDER", help="teach the model on the page, and keep the lessons in this folder"
    )
    parser.add_argument(
        "--keep-base",
        action="store_true",
        help="with --lessons, keep the model's own classes beside the taught ones; for default and continual",
    )
    add_settings(parser, LiveSettings, title="page")
    add_people(parser)
    add_recognizer(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Serve until Ctrl-C."""
    from dataclasses import replace

    from opendr_har_core.live.local_teaching import LocalTeaching
    from opendr_har_core.live.player import Player
    from opendr_har_core.live.server import LiveServer
    from opendr_har_core.live.state import LiveState, ModelInfo
    from opendr_har_core.live.teaching import TeachingControl

    settings = read_settings(options, LiveSettings)
    name, open_frames, is_paced = _source(options)
    recognizer = open_recognizer(options)
    teacher = _teacher(options, recognizer)
    if teacher is not None:
        recognizer = recognizer.with_head(teacher.head(teacher.examples()))
    pipeline: Any = (open_people if options.people else open_pipeline)(options, recognizer)
    state = LiveState(name, ModelInfo.of(pipeline.new_stream() if options.people else pipeline.stream))
    player = Player(name, open_frames, pipeline, state, is_paced)
    control = None if teacher is None else TeachingControl(LocalTeaching(teacher, player), state)
    server = LiveServer(settings, state, control)
    url = replace(settings, port=server.start()).url
    player.start()
    if control is not None:
        control.refresh()
    try:
        options.out.row({"url": url})
        options.out.text(f"{name}: {url}\n")
        options.out.flush()
        options.out.note("Ctrl-C ends it")
        threading.Event().wait()
    finally:
        if control is not None:
            control.cancel()
        player.stop()
        server.stop()
    return Result()


def _teacher(options: argparse.Namespace, recognizer: Recognizer) -> Optional[Teacher]:
    from opendr_har_core.teaching.lessons import Lessons
    from opendr_har_core.teaching.teacher import Teacher

    if not options.lessons:
        return None
    return Teacher(recognizer, Lessons(options.lessons), keep_base=options.keep_base)


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
