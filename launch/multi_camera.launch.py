"""Start the recognizer on several cameras: one node that steps them together, or a node for each."""

from typing import List

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.launching import given_parameters, node, node_arguments
from opendr_har_ros.recognizer.parameters import RECOGNIZER, NodeSettings

NAMES = ("model", "transport", "autostart")
TRUE_FALSE = {"true": True, "false": False}


def generate_launch_description():
    """Arguments and the nodes."""
    arguments = [
        DeclareLaunchArgument("cameras", description="Names of the cameras, such as front,rear or [front, rear]"),
        DeclareLaunchArgument(
            "image",
            default_value="{camera}/image_raw",
            description="Image topics, with {camera} in place of the name; the compressed ones are IMAGE/compressed",
        ),
        DeclareLaunchArgument(
            "one_node",
            default_value="true",
            description="true: one node for all cameras, labels on recognizer/CAMERA/...; "
            "false: a node for each, labels on CAMERA/recognizer/...",
        ),
        DeclareLaunchArgument(
            "hypothesis", default_value="", description="Topics of the best labels, such as /labels/{camera}"
        ),
        DeclareLaunchArgument("label", default_value="", description="Topics of the labels as strings, with {camera}"),
    ]
    return LaunchDescription(
        [*arguments, *node_arguments("recognizer", RECOGNIZER, NAMES), OpaqueFunction(function=_start)]
    )


def _start(context):
    text = {name: LaunchConfiguration(name).perform(context) for name in ("cameras", "namespace", "image", "one_node")}
    names = [name.strip("[]'\" ") for name in text["cameras"].split(",")]
    cameras = NodeSettings(cameras=tuple(names)).cameras
    if text["one_node"].lower() not in TRUE_FALSE:
        raise ConfigError(f"one_node is {text['one_node']!r}, expected true or false")
    if "{camera}" not in text["image"] and len(cameras) > 1:
        raise ConfigError(f"image is {text['image']!r}, expected a pattern with {{camera}}, a topic for each camera")
    given = given_parameters(context, RECOGNIZER, NAMES)
    if TRUE_FALSE[text["one_node"].lower()]:
        remappings = [pair for camera in cameras for pair in _remappings(context, camera, f"{camera}/", "")]
        given["cameras"] = ParameterValue(list(cameras), value_type=List[str])
        return [node("recognizer", given, remappings, text["namespace"])]
    base = _absolute(text["namespace"], context)
    return [
        node(
            "recognizer",
            given,
            _remappings(context, camera, "", base),
            "/".join(filter(None, (text["namespace"], camera))),
        )
        for camera in cameras
    ]


def _absolute(namespace, context):
    """The absolute namespace of relative topics; a camera's own namespace applies to its node only."""
    if not namespace.startswith("/"):
        namespace = f"{context.launch_configurations.get('ros_namespace', '')}/{namespace}"
    return f"/{namespace.strip('/')}/".replace("//", "/")


def _remappings(context, camera, inside, base):
    """Remappings of one camera: its own topics begin with `inside`, relative targets with `base`."""
    remappings = []
    for name, argument, suffix in (
        (f"{inside}image_raw", "image", ""),
        (f"{inside}image_raw/compressed", "image", "/compressed"),
        (f"~/{inside}hypothesis", "hypothesis", ""),
        (f"~/{inside}label", "label", ""),
    ):
        pattern = LaunchConfiguration(argument).perform(context)
        if pattern:
            topic = pattern.replace("{camera}", camera) + suffix
            remappings.append((name, topic if topic[0] in "/~" else base + topic))
    return remappings
