"""The layouts for RViz and Foxglove show topics and fields that a running recognizer has."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("opendr_har_msgs")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[3]
RVIZ, FOXGLOVE = ROOT / "config" / "recognizer.rviz", ROOT / "config" / "foxglove_layout.json"


def rviz_images():
    """(topic, reliability) of each image display."""
    displays = yaml.safe_load(RVIZ.read_text())["Visualization Manager"]["Displays"]
    assert {display["Class"] for display in displays} == {"rviz_default_plugins/Image"}
    return {display["Topic"]["Value"]: display["Topic"]["Reliability Policy"] for display in displays}


def panels():
    return json.loads(FOXGLOVE.read_text())["configById"]


def foxglove_images():
    return {config["imageMode"]["imageTopic"] for name, config in panels().items() if name.startswith("Image!")}


def foxglove_paths():
    """Message paths such as /recognizer/label.data."""
    for config in panels().values():
        yield from (path["value"] for path in config.get("paths", ()))
        yield from filter(None, (config.get("topicPath"), config.get("topicToRender")))


def arranged(layout):
    """Names of the panels that a layout places."""
    if isinstance(layout, str):
        return [layout]
    assert layout["direction"] in ("row", "column")
    return arranged(layout["first"]) + arranged(layout["second"])


def check_path(kind, fields):
    """Follow fields, each perhaps with an index, through a message type; fails for an unknown field."""
    for field in fields:
        name, is_indexed = re.sub(r"\[.*\]", "", field), "[" in field
        package, message = kind.split("/")[0], kind.split("/")[-1]
        types = getattr(importlib.import_module(f"{package}.msg"), message).get_fields_and_field_types()
        assert name in types, f"{kind} has no {name}"
        assert types[name].startswith("sequence") == is_indexed
        kind = re.sub(r"sequence<(.*)>", r"\1", types[name])


def test_the_foxglove_layout_places_every_panel():
    assert sorted(arranged(json.loads(FOXGLOVE.read_text())["layout"])) == sorted(panels())


def test_both_layouts_show_topics_of_a_running_recognizer(client, running):
    wanted = {*rviz_images(), *foxglove_images(), *(path.split(".")[0] for path in foxglove_paths())}
    graph = client.until(
        lambda: (topics := dict(client.node.get_topic_names_and_types())) and wanted <= set(topics) and topics,
        what=f"{sorted(wanted)}",
    )
    for topic in {*rviz_images(), *foxglove_images()}:
        assert graph[topic] == ["sensor_msgs/msg/Image"]
    for path in foxglove_paths():
        topic, *fields = path.split(".")
        check_path(graph[topic][0], fields)


def test_rviz_requests_the_offered_reliability():
    """Cameras offer best effort, the recognizer's annotated images are reliable."""
    assert rviz_images() == {"/image_raw": "Best Effort", "/recognizer/image_annotated": "Reliable"}
