"""Starts the recognizer on several cameras: one node for all, which steps them together, or a node for each."""

import os
from typing import List

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.process import large_image_profile
from opendr_har_ros.recognizer.parameters import camera_names

PACKAGE = "opendr_har_ros"
# Whatever ended the node, a robot wants it back.
RESPAWN_DELAY_SEC = 2.0
# Parameters that have an argument of the same name; one that is not given stays as the parameter file has it.
PARAMETERS = {"model": str, "transport": str, "autostart": bool, "use_sim_time": bool}
TRUE_FALSE = {"true": True, "false": False}


def generate_launch_description():
    """Arguments, the profile that lets large images through, and the nodes."""
    params_file = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "recognizer.yaml"])
    arguments = [
        DeclareLaunchArgument("cameras", description="Names of the cameras, such as front,rear or [front, rear]"),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes"),
        DeclareLaunchArgument(
            "image",
            default_value="{camera}/image_raw",
            description="Image topics, {camera} stands for the name; compressed images are taken from IMAGE/compressed",
        ),
        DeclareLaunchArgument(
            "one_node",
            default_value="true",
            description="true: a node for all, labels on recognizer/CAMERA/...; "
            "false: a node for each, labels on CAMERA/recognizer/...",
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
        DeclareLaunchArgument(
            "hypothesis", default_value="", description="Topics of the best labels, such as /labels/{camera}"
        ),
        DeclareLaunchArgument("label", default_value="", description="Topics of the labels as strings, likewise"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    ]
    # For the cameras that are launched together with this, too: it is the sender that needs the room.
    profile = [SetEnvironmentVariable(*item) for item in large_image_profile(os.environ).items()]
    return LaunchDescription([*arguments, *profile, OpaqueFunction(function=_nodes)])


def _nodes(context):
    text = {
        name: LaunchConfiguration(name).perform(context)
        for name in (*PARAMETERS, "cameras", "namespace", "image", "one_node")
    }
    cameras = camera_names([name.strip("[]'\" ") for name in text["cameras"].split(",")])
    if text["one_node"].lower() not in TRUE_FALSE:
        raise ConfigError(f"one_node is {text['one_node']!r}, expected true or false")
    if "{camera}" not in text["image"] and len(cameras) > 1:
        raise ConfigError(f"image is {text['image']!r}, expected a pattern with {{camera}}: each camera has its topic")
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=PARAMETERS[name])
        for name in PARAMETERS
        if text[name]
    }
    if TRUE_FALSE[text["one_node"].lower()]:
        remaps = [pair for camera in cameras for pair in _remaps(context, camera, f"{camera}/", "")]
        given["cameras"] = ParameterValue(list(cameras), value_type=List[str])
        return [_node(text["namespace"], given, remaps)]
    base = _absolute(text["namespace"], context)
    return [
        _node("/".join(filter(None, (text["namespace"], camera))), given, _remaps(context, camera, "", base))
        for camera in cameras
    ]


def _absolute(namespace, context):
    """Where relative topics would be without the cameras' namespaces, which only the nodes are to have."""
    if not namespace.startswith("/"):
        namespace = f"{context.launch_configurations.get('ros_namespace', '')}/{namespace}"
    return f"/{namespace.strip('/')}/".replace("//", "/")


def _node(namespace, given, remaps):
    return Node(
        package=PACKAGE,
        executable="recognizer",
        name="recognizer",
        namespace=namespace,
        parameters=[LaunchConfiguration("params_file"), *([given] if given else [])],
        remappings=remaps,
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=True,
        respawn_delay=RESPAWN_DELAY_SEC,
    )


def _remaps(context, camera, inside, base):
    """Of one camera, whose own topics begin with `inside`; `base` goes before relative topics."""
    remaps = []
    for name, argument, suffix in (
        (f"{inside}image_raw", "image", ""),
        (f"{inside}image_raw/compressed", "image", "/compressed"),
        (f"~/{inside}hypothesis", "hypothesis", ""),
        (f"~/{inside}label", "label", ""),
    ):
        pattern = LaunchConfiguration(argument).perform(context)
        if pattern:
            topic = pattern.replace("{camera}", camera) + suffix
            remaps.append((name, topic if topic[0] in "/~" else base + topic))
    return remaps
