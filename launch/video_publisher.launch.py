"""Plays a video as a camera topic."""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from opendr_har_ros.common.process import large_image_profile

PACKAGE = "opendr_har_ros"
# Parameters that have an argument of the same name; one that is not given stays as the parameter file has it.
PARAMETERS = {"video": str, "loop": int, "rate": float, "transport": str, "use_sim_time": bool}


def generate_launch_description():
    """Arguments, the profile that lets large images through, and the node."""
    params_file = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "video_publisher.yaml"])
    arguments = [
        DeclareLaunchArgument("video", description="Video file, folder of images, or the number of a webcam"),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
        DeclareLaunchArgument(
            "image",
            default_value="image_raw",
            description="Image topic to publish; compressed images go to IMAGE/compressed",
        ),
        DeclareLaunchArgument("params_file", default_value=params_file, description="Parameter file"),
        DeclareLaunchArgument(
            "loop", default_value="", description="How often to play, 0: for ever; instead of the file's"
        ),
        DeclareLaunchArgument("rate", default_value="", description="Speed of playing, instead of the file's"),
        DeclareLaunchArgument("transport", default_value="", description="raw, compressed, both; not the file's"),
        DeclareLaunchArgument("use_sim_time", default_value="", description="true or false, instead of the file's"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    ]
    profile = [SetEnvironmentVariable(*item) for item in large_image_profile(os.environ).items()]
    return LaunchDescription([*arguments, *profile, OpaqueFunction(function=_node)])


def _node(context):
    image = LaunchConfiguration("image")
    arguments = {name: LaunchConfiguration(name) for name in PARAMETERS}
    given = {
        name: ParameterValue(argument, value_type=PARAMETERS[name])
        for name, argument in arguments.items()
        if argument.perform(context)
    }
    node = Node(
        package=PACKAGE,
        executable="video_publisher",
        name="video_publisher",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), given],
        remappings=[("image_raw", image), ("image_raw/compressed", [image, "/compressed"])],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
    )
    return [node]
