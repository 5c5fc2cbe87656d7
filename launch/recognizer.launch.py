"""Starts the recognizer on a camera topic."""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from opendr_har_ros.common.process import large_image_profile

PACKAGE = "opendr_har_ros"
# Whatever ended the node, a robot wants it back.
RESPAWN_DELAY_SEC = 2.0
# Parameters that have an argument of the same name; one that is not given stays as the parameter file has it.
PARAMETERS = {"model": str, "transport": str, "autostart": bool, "use_sim_time": bool}


def generate_launch_description():
    """Arguments, the profile that lets large images through, and the node."""
    params_file = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "recognizer.yaml"])
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
        DeclareLaunchArgument(
            "image",
            default_value="image_raw",
            description="Image topic; compressed images are taken from IMAGE/compressed",
        ),
        DeclareLaunchArgument("params_file", default_value=params_file, description="Parameter file"),
        DeclareLaunchArgument(
            "model",
            default_value="",
            description="Bundle (.onnx), default, continual or kinetics400, instead of the file's",
        ),
        DeclareLaunchArgument("transport", default_value="", description="raw or compressed, instead of the file's"),
        DeclareLaunchArgument("autostart", default_value="", description="true or false, instead of the file's"),
        DeclareLaunchArgument("use_sim_time", default_value="", description="true or false, instead of the file's"),
        # OpenDR's node published to /opendr/human_activity_recognition and .../human_activity_recognition_description;
        # give these names to keep its subscribers.
        DeclareLaunchArgument("hypothesis", default_value="~/hypothesis", description="Topic of the best label"),
        DeclareLaunchArgument("label", default_value="~/label", description="Topic of the label as a string"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    ]
    # For the cameras that are launched together with this, too: it is the sender that needs the room.
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
        executable="recognizer",
        name="recognizer",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), *([given] if given else [])],
        remappings=[
            ("image_raw", image),
            ("image_raw/compressed", [image, "/compressed"]),
            ("~/hypothesis", LaunchConfiguration("hypothesis")),
            ("~/label", LaunchConfiguration("label")),
        ],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=True,
        respawn_delay=RESPAWN_DELAY_SEC,
    )
    return [node]
