"""Starts the trainer; it trains when its service ~/start is called."""

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
PARAMETERS = {
    "data": (str, "Folder with a folder of videos per class, or a CSV"),
    "val": (str, "The same, of videos to validate with"),
    "labels": (str, "CSV id,name of the classes"),
    "base": (str, "Pretrained weights, .pth, .pyth or .ckpt"),
    "network": (str, "cox3d or x3d"),
    "size": (str, "xs, s, m or l"),
    "lookahead": (str, "full or none, of cox3d"),
    "output": (str, "Bundle (.onnx) to write"),
    "checkpoint_folder": (str, "Folder of best.ckpt and last.ckpt"),
    "resume": (bool, "true: go on from last.ckpt"),
    "epochs": (int, "Passes over the data"),
    "batch_size": (int, "Clips that are taken at a time"),
    "device": (str, "cpu or cuda"),
    "use_sim_time": (bool, "true or false"),
}


def generate_launch_description():
    """Arguments, the profile that all our nodes use, and the node."""
    params_file = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "trainer.yaml"])
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
        DeclareLaunchArgument("params_file", default_value=params_file, description="Parameter file"),
    ]
    arguments += [
        DeclareLaunchArgument(name, default_value="", description=f"{description}; instead of the parameter file's")
        for name, (_, description) in PARAMETERS.items()
    ]
    arguments.append(
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal")
    )
    profile = [SetEnvironmentVariable(*item) for item in large_image_profile(os.environ).items()]
    return LaunchDescription([*arguments, *profile, OpaqueFunction(function=_node)])


def _node(context):
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=value_type)
        for name, (value_type, _) in PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    node = Node(
        package=PACKAGE,
        executable="trainer",
        name="trainer",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), *([given] if given else [])],
        remappings=[],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=True,
        respawn_delay=RESPAWN_DELAY_SEC,
    )
    return [node]
