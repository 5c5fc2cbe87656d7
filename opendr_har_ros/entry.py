"""The executables of `ros2 run opendr_har_ros NAME`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opendr_har_ros.common.process import StopFlag, prepare_process


def recognizer() -> int:
    """`ros2 run opendr_har_ros recognizer`."""
    return _run("recognizer", "RecognizerNode")


def people() -> int:
    """`ros2 run opendr_har_ros people`."""
    return _run("people", "PeopleNode")


def trainer() -> int:
    """`ros2 run opendr_har_ros trainer`."""
    return _run("trainer", "TrainerNode")


def video_publisher() -> int:
    """`ros2 run opendr_har_ros video_publisher`."""
    return _run("video_publisher", "VideoPublisherNode")


def web() -> int:
    """`ros2 run opendr_har_ros web`."""
    return _run("web", "WebNode")


def _run(package: str, node: str) -> int:
    """Prepare the process first: rclpy and NumPy read the environment when they are imported."""
    stop = StopFlag()
    prepare_process()
    from opendr_har_ros.common.running import run

    def make_node() -> Any:
        # Imported inside `run`, which reports a missing dependency in one line.
        return getattr(import_module(f"opendr_har_ros.{package}.node"), node)()

    return run(make_node, stop)
