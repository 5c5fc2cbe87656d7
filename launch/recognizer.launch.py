"""Start the recognizer on a camera topic."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from opendr_har_ros.common.launching import given_parameters, image_argument, image_remappings, node, node_arguments
from opendr_har_ros.recognizer.parameters import RECOGNIZER

NAMES = ("model", "transport", "autostart")


def generate_launch_description():
    """Arguments and the node."""
    topics = [
        # OpenDR's names are /opendr/human_activity_recognition and /opendr/human_activity_recognition_description.
        DeclareLaunchArgument("hypothesis", default_value="~/hypothesis", description="Topic of the best label"),
        DeclareLaunchArgument("label", default_value="~/label", description="Topic of the label as a string"),
    ]
    arguments = node_arguments("recognizer", RECOGNIZER, NAMES)
    return LaunchDescription([*arguments, image_argument(), *topics, OpaqueFunction(function=_start)])


def _start(context):
    topics = [(f"~/{name}", LaunchConfiguration(name)) for name in ("hypothesis", "label")]
    given = given_parameters(context, RECOGNIZER, NAMES)
    return [node("recognizer", given, [*image_remappings(), *topics])]
