"""The parameter tables, the files that document them, and what they refuse."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
yaml = pytest.importorskip("yaml")

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.parameters import declare, names_fixed_while_configured
from opendr_har_ros.recognizer.parameters import RECOGNIZER, RecognizerSettings
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER, VideoPublisherSettings

ROOT = Path(__file__).resolve().parents[3]
CONFIG, GUIDE = ROOT / "config", ROOT / "docs" / "ros.md"
TABLES = {"recognizer": RECOGNIZER, "video_publisher": VIDEO_PUBLISHER}


def values_of(table, **changes):
    return {**{parameter.name: parameter.default for parameter in table}, **changes}


@pytest.mark.parametrize("node", TABLES)
def test_a_parameter_file_lists_every_parameter_in_order_with_its_default_and_its_description(node):
    text = (CONFIG / f"{node}.yaml").read_text()
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert list(values.items()) == list({**values_of(TABLES[node]), "use_sim_time": False}.items())
    lines = [line.strip() for line in text.splitlines()]
    for parameter in TABLES[node]:
        position = next(index for index, line in enumerate(lines) if line.startswith(f"{parameter.name}:"))
        above = list(takewhile(lambda line: line.startswith("# "), reversed(lines[:position])))
        comment = " ".join(line[2:] for line in reversed(above))
        assert comment == parameter.description + (" Live." if parameter.live else "")


def documented(parameter):
    """The row of docs/ros.md about a parameter: its name, default, what is allowed, when it changes, what it does."""
    default = yaml.safe_dump(parameter.default, default_flow_style=True).replace("\n...", "").strip()
    allowed = ", ".join(f"`{choice}`" for choice in parameter.choices)
    if parameter.bounds:
        low, high = parameter.bounds
        allowed = f"{low:g} to {high:.7g}"
    changes = "at once" if parameter.live else "never" if parameter.read_only else "when configured"
    return f"| `{parameter.name}` | `{default}` | {allowed} | {changes} | {parameter.description} |"


@pytest.mark.parametrize("node", TABLES)
def test_the_ros_guide_has_the_same_parameters_in_the_same_words(node):
    section = GUIDE.read_text().split(f"\n## `{node}`")[1].split("\n## ")[0]
    rows = section.split("| parameter | default |")[1].split("\n\n")[0].splitlines()[2:]
    assert rows == [documented(parameter) for parameter in TABLES[node]]


@pytest.mark.parametrize("node", TABLES)
def test_every_parameter_is_described_and_its_bounds_are_declared(node):
    for parameter in TABLES[node]:
        descriptor = parameter.descriptor()
        assert len(descriptor.description) > 20, parameter.name
        assert descriptor.read_only == parameter.read_only
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert bool(ranges) == (parameter.bounds is not None)
        for allowed in ranges:
            assert allowed.from_value <= parameter.default <= allowed.to_value


@pytest.mark.parametrize("name", ["sampling", "transport", "image_qos", "class_id_format"])
def test_a_word_that_is_no_choice_is_refused_with_the_choices(name):
    with pytest.raises(ConfigError, match=rf"{name} is 'odd', expected one of"):
        RecognizerSettings.from_values(values_of(RECOGNIZER, **{name: "odd"}))


def test_zero_threads_and_an_empty_model_mean_the_defaults():
    settings = RecognizerSettings.from_values(values_of(RECOGNIZER, threads=0, model=""))
    assert settings.threads is None
    assert settings.model == "default"


def test_a_video_publisher_without_a_video_says_so():
    with pytest.raises(ConfigError, match="parameter video is empty"):
        VideoPublisherSettings.from_values(values_of(VIDEO_PUBLISHER))


def test_what_changes_live_and_what_does_not():
    fixed = names_fixed_while_configured(RECOGNIZER)
    assert {"cameras", "providers", "transport", "sampling"} <= set(fixed)
    assert not {"model", "threshold", "smoothing", "top_k", "min_duration_sec", "class_id_format"} & set(fixed)


class OldNode:
    """As Foxy's: it takes a value of any type from a parameter file."""

    def __init__(self, **values):
        self._values = values

    def declare_parameter(self, name, default, descriptor):
        self._values.setdefault(name, default)

    def get_parameter(self, name):
        return SimpleNamespace(value=self._values[name])


@pytest.mark.parametrize(("name", "value"), [("top_k", "5"), ("threshold", "0.5"), ("threads", True), ("spin", 0)])
def test_a_value_of_a_wrong_type_is_refused_where_rclpy_does_not_look(name, value):
    declare(OldNode(), RECOGNIZER)
    with pytest.raises(ConfigError, match=f"parameter {name} is {value!r}, expected "):
        declare(OldNode(**{name: value}), RECOGNIZER)
