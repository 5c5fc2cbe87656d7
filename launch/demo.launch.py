"""Play a video, and label it with the recognizer."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from opendr_har_ros.common.launching import PACKAGE, image_argument

SHARED = ("namespace", "image", "transport", "use_sim_time", "log_level")
DEFAULTS = {
    "model": ("default", "Bundle (.onnx), or a packaged model: continual, default, kinetics400"),
    "loop": ("0", "Number of times that the video is played; 0 repeats it indefinitely"),
    "namespace": ("", "Namespace of both nodes"),
    "transport": ("raw", "How images travel: raw or compressed"),
    "params_file": ("", "Parameter file for both nodes. Empty: each one's own"),
    "autostart": ("", "true or false. Empty: as in the parameter file"),
    "use_sim_time": ("", "true or false. Empty: as in the parameter files"),
    "hypothesis": ("~/hypothesis", "Topic of the best label"),
    "label": ("~/label", "Topic of the label as a string"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def generate_launch_description():
    """Arguments and the two other launch files."""
    video = DeclareLaunchArgument("video", description="Video file, folder of images, or the number of a webcam")
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in DEFAULTS.items()
    ]
    return LaunchDescription([video, image_argument(), *arguments, OpaqueFunction(function=_start)])


def _start(context):
    has_own_file = not LaunchConfiguration("params_file").perform(context)
    return [
        _included(has_own_file, "video_publisher", "video", "loop", *SHARED),
        _included(has_own_file, "recognizer", "model", "autostart", "hypothesis", "label", *SHARED),
    ]


def _included(has_own_file, name, *arguments):
    """A launch file in a group of its own, so that its params_file does not apply to the other one."""
    share = FindPackageShare(PACKAGE)
    passed = [(argument, LaunchConfiguration(argument)) for argument in arguments]
    # Always passed, since the included file would otherwise see this file's empty value.
    params_file = PathJoinSubstitution([share, "config", f"{name}.yaml"])
    passed.append(("params_file", params_file if has_own_file else LaunchConfiguration("params_file")))
    file = PathJoinSubstitution([share, "launch", f"{name}.launch.py"])
    return GroupAction([IncludeLaunchDescription(file, launch_arguments=passed)])
