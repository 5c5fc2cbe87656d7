"""Play a video as a camera topic."""

from opendr_har_ros.common.launching import IMAGE, image_remappings, node, node_description
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER


def generate_launch_description():
    """Arguments and the node."""
    return node_description(VIDEO_PUBLISHER, _start, IMAGE)


def _start(given):
    remappings = image_remappings(given.get("image", ""))
    return [node("video_publisher", VIDEO_PUBLISHER, given, remappings, respawn=False)]
