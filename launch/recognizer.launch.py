"""Start the recognizer on one or more camera topics, with a viewer if wanted."""

from launch_ros.actions import LifecycleNode, Node

from opendr_har_core.settings import Setting
from opendr_har_ros.common.launching import camera_remappings, node, node_description
from opendr_har_ros.recognizer.parameters import RECOGNIZER
from opendr_har_ros.web.parameters import WEB

TOPICS = (
    Setting("image", str, "", "Image topic instead of image_raw or {camera}/image_raw; may contain {camera}."),
    # OpenDR's names are /opendr/human_activity_recognition and /opendr/human_activity_recognition_description.
    Setting("hypothesis", str, "", "Topic of the best label instead of ~/hypothesis; may contain {camera}."),
    Setting("label", str, "", "Topic of the label as a string instead of ~/label; may contain {camera}."),
)
VIEWER = Setting(
    "viewer",
    str,
    "",
    "Show the images with labels: rqt opens rqt_image_view, web serves a page.",
    choices=("rqt", "web"),
)


def generate_launch_description():
    """Arguments and the nodes."""
    return node_description(RECOGNIZER, _start, *TOPICS, VIEWER)


def _start(given):
    cameras = given.get("cameras", [""])
    topics = {"{}image_raw": "image", "~/{}hypothesis": "hypothesis", "~/{}label": "label"}
    remappings = camera_remappings(cameras, {own: given.get(argument, "") for own, argument in topics.items()})
    # The viewer first: launch leaves processes behind that it started before it finds a package missing.
    return [*_viewer(given, cameras[0], remappings), node("recognizer", RECOGNIZER, given, remappings, LifecycleNode)]


def _viewer(given, camera, remappings):
    if given.get("viewer") == "web":
        return [node("web", WEB, {**given, "camera": camera}, remappings)]
    if given.get("viewer") == "rqt":
        topic = "/".join(filter(None, ("recognizer", camera, "image_annotated")))
        namespace = given.get("namespace", "")
        return [Node(package="rqt_image_view", executable="rqt_image_view", namespace=namespace, arguments=[topic])]
    return []
