"""Start the trainer, which trains for the goals of its action ~/train."""

from opendr_har_ros.common.launching import node, node_description
from opendr_har_ros.trainer.parameters import TRAINER


def generate_launch_description():
    """Arguments and the node."""
    return node_description(TRAINER, lambda given: [node("trainer", TRAINER, given)])
