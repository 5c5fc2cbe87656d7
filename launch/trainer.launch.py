"""Start the trainer; a job starts when its service ~/start is called."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from opendr_har_ros.common.launching import given_parameters, node, node_arguments
from opendr_har_ros.trainer.parameters import TRAINER

NAMES = (
    *("data", "val", "labels", "base", "network", "size", "lookahead", "output", "checkpoint_folder", "resume"),
    *("epochs", "batch_size", "device"),
)


def generate_launch_description():
    """Arguments and the node."""
    return LaunchDescription([*node_arguments("trainer", TRAINER, NAMES), OpaqueFunction(function=_start)])


def _start(context):
    return [node("trainer", given_parameters(context, TRAINER, NAMES), [])]
