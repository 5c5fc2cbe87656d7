"""Parameters of the nodes: declarations, the tables of the guide, invalid values.

`python test/ros/common/test_parameters.py` writes the tables in docs/ again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")
yaml = pytest.importorskip("yaml")

from opendr_har_core.errors import ConfigError
from opendr_har_core.streaming.settings import ModelSettings
from opendr_har_ros.common.parameters import default_of, description
from opendr_har_ros.people.parameters import PEOPLE
from opendr_har_ros.recognizer.parameters import RECOGNIZER
from opendr_har_ros.trainer.parameters import TRAINER
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER
from opendr_har_ros.web.parameters import WEB

ROOT = Path(__file__).resolve().parents[3]
NODES = {"recognizer": RECOGNIZER, "people": PEOPLE, "trainer": TRAINER, "video_publisher": VIDEO_PUBLISHER, "web": WEB}
GUIDES = {
    "recognizer": "ros.md",
    "people": "people.md",
    "trainer": "trainer.md",
    "video_publisher": "ros.md",
    "web": "ros.md",
}


def plain(value):
    return yaml.safe_dump(value, default_flow_style=True).replace("\n...", "").strip()


def changes(node, name):
    parameters = NODES[node]
    return "live" if name in parameters.live else "fixed" if name in parameters.read_only else ""


def table(node):
    """The table of a node's parameters in the guide."""
    rows = ["| parameter | default | allowed | changes | description |", "| --- | --- | --- | --- | --- |"]
    for item in NODES[node].settings:
        allowed = ", ".join(f"`{choice}`" for choice in item.choices) or item.range
        cells = (f"`{item.name}`", f"`{plain(default_of(item))}`", allowed, changes(node, item.name))
        rows.append(f"| {' | '.join(cells)} | {description(item)} |")
    return "\n".join(rows)


def parts(node):
    """The guide's text before, within and after the node's table."""
    text = (ROOT / "docs" / GUIDES[node]).read_text()
    start, end = f"<!-- parameters of {node} -->\n", "\n<!-- end -->"
    before, rest = text.split(start)
    inside, after = rest.split(end, 1)
    return before + start, inside, end + after


@pytest.mark.parametrize("node", NODES)
def test_the_guides_table_is_made_from_the_declaration(node):
    assert parts(node)[1] == table(node)


@pytest.mark.parametrize("node", NODES)
def test_descriptors_have_descriptions_and_ranges(node):
    for item in NODES[node].settings:
        descriptor = NODES[node].descriptor(item)
        assert len(descriptor.description) > 8, item.name
        assert descriptor.read_only == (item.name in NODES[node].read_only)
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert bool(ranges) == bool(item.range)
        for allowed in ranges:
            assert allowed.from_value <= item.default <= allowed.to_value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sampling", "odd", "one of"),
        ("image_qos", "odd", "one of"),
        ("top_k", "5", "a whole number"),
        ("threads", True, "a whole number"),
        ("threshold", 1.5, "0 to 1"),
    ],
)
def test_an_invalid_value_is_an_error_that_says_what_was_expected(name, value, expected):
    values = {item.name: default_of(item) for item in RECOGNIZER.settings}
    with pytest.raises(ConfigError, match=f"parameter {name} is {value!r}, expected .*{expected}"):
        RECOGNIZER.instances({**values, name: value})


def test_settings_are_the_same_as_those_of_the_library():
    values = {item.name: default_of(item) for item in RECOGNIZER.settings}
    assert RECOGNIZER.instances(values)[0] == ModelSettings()


if __name__ == "__main__":
    for name in NODES:
        head, _, tail = parts(name)
        (ROOT / "docs" / GUIDES[name]).write_text(head + table(name) + tail)
