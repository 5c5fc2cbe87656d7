"""Serve a page that shows what a running recognizer publishes."""

from opendr_har_ros.common.launching import IMAGE, image_remappings, node, node_description
from opendr_har_ros.web.parameters import WEB


def generate_launch_description():
    """Arguments and the node."""
    return node_description(WEB, _start, IMAGE)


def _start(given):
    return [node("web", WEB, given, image_remappings(given.get("image", ""), given.get("camera", "")))]
