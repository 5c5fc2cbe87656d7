"""A video and the recognizer that labels it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

PACKAGE = "opendr_har_ros"
SHARED = ("namespace", "image", "transport", "log_level")


def generate_launch_description():
    """The two other launch files, side by side."""
    arguments = [
        DeclareLaunchArgument("video", description="Video file, folder of images, or the number of a webcam"),
        DeclareLaunchArgument("model", default_value="default", description="Model bundle (.onnx)"),
        DeclareLaunchArgument("loop", default_value="0", description="How often to play; 0: for ever"),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of both nodes"),
        DeclareLaunchArgument("image", default_value="image_raw", description="Image topic between them"),
        DeclareLaunchArgument("transport", default_value="raw", description="How images travel: raw or compressed"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    ]
    nodes = [_included("video_publisher", "video", "loop", *SHARED), _included("recognizer", "model", *SHARED)]
    return LaunchDescription([*arguments, *nodes])


def _included(name, *arguments):
    """In a group of its own: else the parameter file of the one would be taken for that of the other."""
    file = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", f"{name}.launch.py"])
    passed_on = [(argument, LaunchConfiguration(argument)) for argument in arguments]
    return GroupAction([IncludeLaunchDescription(file, launch_arguments=passed_on)])
