"""Play a video, and label it with the recognizer."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch_ros.actions import SetParameter


def generate_launch_description():
    """The two launch files; the video is repeated unless `loop` or `params_file` says otherwise."""
    video_publisher, recognizer = (
        IncludeLaunchDescription(str(Path(__file__).with_name(f"{name}.launch.py")))
        for name in ("video_publisher", "recognizer")
    )
    return LaunchDescription([GroupAction([SetParameter("loop", 0), video_publisher]), recognizer])
