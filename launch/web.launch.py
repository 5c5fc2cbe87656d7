"""Serve a page that shows what a running recognizer publishes."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch.substitutions import LaunchConfiguration

from opendr_har_ros.common.launching import given_parameters, image_argument, image_remappings, node, node_arguments
from opendr_har_ros.web.parameters import WEB

NAMES = ("recognizer", "camera", "transport", "host", "port")


def generate_launch_description():
    """Arguments and the node."""
    return LaunchDescription([*node_arguments("web", WEB, NAMES), image_argument(), OpaqueFunction(function=_start)])


def _start(context):
    camera = LaunchConfiguration("camera").perform(context)
    remappings = image_remappings(f"{camera}/" if camera else "")
    return [node("web", given_parameters(context, WEB, NAMES), remappings)]
