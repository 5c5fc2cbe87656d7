"""`opendr-har live`: a page in the browser that shows what a model sees."""

from __future__ import annotations

import argparse
import threading
import webbrowser
from importlib import import_module
from typing import TYPE_CHECKING, Any, Tuple

from opendr_har_core.cli.options import (
    VIDEOS,
    add_file,
    add_job,
    add_model,
    add_recognizer,
    add_runtime,
    open_pipeline,
)
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from opendr_har_core.live.player import Source

# By name: the core knows nothing of ROS, and works without it.
ROS_PART = "opendr_har_ros.live_topic"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "live",
        help="show labels live, in the browser",
        description="Serve a page that shows a video, a webcam, a ROS 2 image topic or, without any of these, drawn "
        "figures, with the labels that a model gives them. Ctrl-C ends it.",
        examples=(
            "",
            "--camera 0",
            "--video clip.mp4 --model cox3d_s.onnx",
            "--topic /camera/image_raw --threshold 0.5 --smoothing 0.5",
            "--camera 0 --host 0.0.0.0",
        ),
        run=run,
    )
    source = parser.add_mutually_exclusive_group()
    add_file(source, "--video", suffixes=VIDEOS, metavar="FILE", help="play a file in a loop")
    source.add_argument("--camera", metavar="N", help="a webcam: its number, or its device as in /dev/video0")
    source.add_argument("--topic", metavar="TOPIC", help="a ROS 2 image topic")
    add_model(parser)
    page = parser.add_argument_group("the page")
    page.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to serve on (default: this machine only)")
    page.add_argument("--port", type=int, default=8642, metavar="N", help="0 takes any that is free (default: 8642)")
    page.add_argument("--token", default="", metavar="WORD", help="what viewers have to know; made up for other hosts")
    page.add_argument("--name", action="append", default=[], metavar="HOST", help="another name of this machine")
    page.add_argument("--max-viewers", type=int, default=8, metavar="N", help="at once (default: 8)")
    page.add_argument("--open", action="store_true", help="open it in this machine's browser")
    add_recognizer(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Serve until Ctrl-C."""
    try:
        from opendr_har_core.live.server import LiveServer
    except ImportError as error:
        raise ConfigError(f"the page needs aiohttp ({error}); pip install 'opendr_har_ros[live]'") from None
    from dataclasses import replace

    from opendr_har_core.live.player import Player
    from opendr_har_core.live.schema import model_facts
    from opendr_har_core.live.settings import live_settings
    from opendr_har_core.live.state import Board

    settings, _ = live_settings(
        options.host, options.token, port=options.port, names=tuple(options.name), max_viewers=options.max_viewers
    )
    pipeline = open_pipeline(options)
    name, source, is_paced = _source(options)
    board = Board(name, model_facts(pipeline.stream))
    server = LiveServer(settings, board)
    url = replace(settings, port=server.start()).url
    player = Player(name, source, pipeline, board, is_paced)
    player.start()
    try:
        options.out.row({"url": url})
        options.out.text(f"{name}: {url}\n")
        options.out.flush()
        options.out.note("Ctrl-C ends it")
        if options.open:
            webbrowser.open(url)
        threading.Event().wait()
    finally:
        player.stop()
        server.stop()
    return Result()


def _source(options: argparse.Namespace) -> Tuple[str, Source, bool]:
    """Its name, what opens it, and whether its stamps say when a frame is due."""
    from opendr_har_core.media.video import loop_frames, probe, read_video

    if options.topic:
        try:
            part = import_module(ROS_PART)
        except ImportError as error:
            raise ConfigError(f"--topic needs ROS 2 ({error}); source it, or install the extra 'ros'") from None
        return options.topic, part.topic_source(options.topic), False
    if options.camera is not None:
        number = str(options.camera).replace("/dev/video", "")
        if not number.isdigit():
            raise ConfigError(f"--camera is {options.camera!r}, expected a number or a device as in /dev/video0")
        return f"camera {number}", lambda _: read_video(number), False
    if options.video:
        probe(options.video)  # a file that can't be played is said at once
        return str(options.video), lambda _: loop_frames(options.video), True
    from opendr_har_core.live.sources import drawn_figures

    return "drawn figures", drawn_figures, True
