"""Serves a page that shows what a running recognizer publishes."""

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
PARAMETERS = {"recognizer": str, "camera": str, "transport": str, "host": str, "port": int, "use_sim_time": bool}


def generate_launch_description():
    """Arguments, the profile that all our nodes use, and the node."""
    params_file = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "web.yaml"])
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
        DeclareLaunchArgument(
            "image",
            default_value="image_raw",
            description="Image topic to show; compressed images are taken from IMAGE/compressed",
        ),
        DeclareLaunchArgument("params_file", default_value=params_file, description="Parameter file"),
        DeclareLaunchArgument("recognizer", default_value="", description="Node to show, instead of the file's"),
        DeclareLaunchArgument("camera", default_value="", description="Which of its cameras, instead of the file's"),
        DeclareLaunchArgument("transport", default_value="", description="raw or compressed, instead of the file's"),
        DeclareLaunchArgument("host", default_value="", description="Address to serve on, instead of the file's"),
        DeclareLaunchArgument("port", default_value="", description="Port to serve on, instead of the file's"),
        DeclareLaunchArgument("use_sim_time", default_value="", description="true or false, instead of the file's"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    ]
    profile = [SetEnvironmentVariable(*item) for item in large_image_profile(os.environ).items()]
    return LaunchDescription([*arguments, *profile, OpaqueFunction(function=_node)])


def _node(context):
    image = LaunchConfiguration("image")
    camera = LaunchConfiguration("camera").perform(context)
    topic = f"{camera}/image_raw" if camera else "image_raw"
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=value_type)
        for name, value_type in PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    node = Node(
        package=PACKAGE,
        executable="web",
        name="web",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), *([given] if given else [])],
        remappings=[(topic, image), (f"{topic}/compressed", [image, "/compressed"])],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=True,
        respawn_delay=RESPAWN_DELAY_SEC,
    )
    return [node]
