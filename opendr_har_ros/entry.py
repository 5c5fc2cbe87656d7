"""The executables: set up the process first, load ROS after."""

from __future__ import annotations

from opendr_har_ros.process import prepare_process


def recognizer() -> int:
    """`ros2 run opendr_har_ros recognizer`."""
    prepare_process()
    from opendr_har_ros.recognizer_node import RecognizerNode
    from opendr_har_ros.run import run

    return run(RecognizerNode)


def video_publisher() -> int:
    """`ros2 run opendr_har_ros video_publisher`."""
    prepare_process()
    from opendr_har_ros.run import run
    from opendr_har_ros.video_publisher_node import VideoPublisherNode

    return run(VideoPublisherNode)
