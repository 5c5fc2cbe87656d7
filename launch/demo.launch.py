"""A video and the recognizer that labels it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

PACKAGE = "opendr_har_ros"
SHARED = ("namespace", "image", "transport", "use_sim_time", "log_level")


def generate_launch_description():
    """The two other launch files, side by side."""
    arguments = [
        DeclareLaunchArgument("video", description="Video file, folder of images, or the number of a webcam"),
        DeclareLaunchArgument(
            "model", default_value="default", description="Bundle (.onnx), default, continual or kinetics400"
        ),
        DeclareLaunchArgument("loop", default_value="0", description="How often to play; 0: for ever"),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of both nodes"),
        DeclareLaunchArgument("image", default_value="image_raw", description="Image topic between them"),
        DeclareLaunchArgument("transport", default_value="raw", description="How images travel: raw or compressed"),
        DeclareLaunchArgument(
            "params_file", default_value="", description="Parameter file for both nodes, instead of each one's own"
        ),
        DeclareLaunchArgument("autostart", default_value="", description="true or false, instead of the file's"),
        DeclareLaunchArgument("use_sim_time", default_value="", description="true or false, instead of the file's"),
        DeclareLaunchArgument("hypothesis", default_value="~/hypothesis", description="Topic of the best label"),
        DeclareLaunchArgument("label", default_value="~/label", description="Topic of the label as a string"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_nodes)])


def _nodes(context):
    own_file = not LaunchConfiguration("params_file").perform(context)
    return [
        _included(own_file, "video_publisher", "video", "loop", *SHARED),
        _included(own_file, "recognizer", "model", "autostart", "hypothesis", "label", *SHARED),
    ]


def _included(own_file, name, *arguments):
    """In a group of its own: else the parameter file of the one would be taken for that of the other."""
    share = FindPackageShare(PACKAGE)
    passed_on = [(argument, LaunchConfiguration(argument)) for argument in arguments]
    # Said in any case: an argument that is not passed on is seen inside as it is here, which is empty.
    params_file = PathJoinSubstitution([share, "config", f"{name}.yaml"])
    passed_on.append(("params_file", params_file if own_file else LaunchConfiguration("params_file")))
    file = PathJoinSubstitution([share, "launch", f"{name}.launch.py"])
    return GroupAction([IncludeLaunchDescription(file, launch_arguments=passed_on)])
