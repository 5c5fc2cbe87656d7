"""The executables: set up the process first, load ROS after."""

from __future__ import annotations

from opendr_har_ros.common.process import prepare_process
from opendr_har_ros.common.stop import StopFlag


def recognizer() -> int:
    """`ros2 run opendr_har_ros recognizer`."""
    stop = StopFlag()
    prepare_process()
    from opendr_har_ros.common.run import run
    from opendr_har_ros.recognizer.node import RecognizerNode

    return run(RecognizerNode, stop)


def video_publisher() -> int:
    """`ros2 run opendr_har_ros video_publisher`."""
    stop = StopFlag()
    prepare_process()
    from opendr_har_ros.common.run import run
    from opendr_har_ros.video_publisher.node import VideoPublisherNode

    return run(VideoPublisherNode, stop)


def web() -> int:
    """`ros2 run opendr_har_ros web`."""
    stop = StopFlag()
    prepare_process()
    from opendr_har_ros.common.run import run
    from opendr_har_ros.web.node import WebNode

    return run(WebNode, stop)


def trainer() -> int:
    """`ros2 run opendr_har_ros trainer`."""
    stop = StopFlag()
    prepare_process()
    from opendr_har_ros.common.run import run
    from opendr_har_ros.trainer.node import TrainerNode

    return run(TrainerNode, stop)
