"""Start the node that labels each person, on one or more camera topics."""

from launch_ros.actions import LifecycleNode

from opendr_har_core.settings import Setting
from opendr_har_ros.common.launching import camera_remappings, node, node_description
from opendr_har_ros.people.parameters import PEOPLE

TOPICS = (
    Setting("image", str, "", "Image topic instead of image_raw or {camera}/image_raw; may contain {camera}."),
    Setting("detections", str, "", "Topic of the boxes, with detector:=topic; may contain {camera}."),
)


def generate_launch_description():
    """Arguments and the node."""
    return node_description(PEOPLE, _start, *TOPICS)


def _start(given):
    topics = {"{}image_raw": given.get("image", ""), "{}detections": given.get("detections", "")}
    remappings = camera_remappings(given.get("cameras", [""]), topics)
    return [node("people", PEOPLE, given, remappings, LifecycleNode)]
