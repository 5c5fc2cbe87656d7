"""Our messages on every distribution's message types: only fields that it has, only values that it takes.

The classes here refuse what rosidl's refuse. Their fields are those of vision_msgs 2.0.0 (Foxy), 3.0.2 (Galactic) and
4.1.1 (Humble, Iron, Jazzy; Kilted's 4.2.0 is taken to be alike), and of common_interfaces 2.0.5 to 5.5.3, which are
the same for all that we use.
"""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_ros.common.vision_messages import INDEX, NAME, MessageFactory, class_name

HEADER = "std_msgs/Header"
VISION_INFO = {"header": HEADER, "method": "string", "database_location": "string", "database_version": "int32"}
FOXY = {
    "ObjectHypothesis": {"id": "string", "score": "float64"},
    "Classification2D": {"header": HEADER, "results": "ObjectHypothesis[]", "source_img": "sensor_msgs/Image"},
    "VisionInfo": VISION_INFO,
}
GALACTIC = {
    "ObjectHypothesis": {"class_id": "string", "score": "float64"},
    "Classification": {"header": HEADER, "results": "ObjectHypothesis[]"},
    "VisionInfo": VISION_INFO,
}
HUMBLE = {
    **GALACTIC,
    "LabelInfo": {"header": HEADER, "class_map": "VisionClass[]", "threshold": "float32"},
    "VisionClass": {"class_id": "uint16", "class_name": "string"},
}
VISION_MSGS = {
    "foxy": FOXY,
    "galactic": GALACTIC,
    "humble": HUMBLE,
    "iron": HUMBLE,
    "jazzy": HUMBLE,
    "kilted": HUMBLE,
}
COMMON = {
    "builtin_interfaces/Time": {"sec": "int32", "nanosec": "uint32"},
    HEADER: {"stamp": "builtin_interfaces/Time", "frame_id": "string"},
    "std_msgs/String": {"data": "string"},
    "std_msgs/Bool": {"data": "boolean"},
    "sensor_msgs/Image": {
        "header": HEADER,
        "height": "uint32",
        "width": "uint32",
        "encoding": "string",
        "is_bigendian": "uint8",
        "step": "uint32",
        "data": "sequence<uint8>",
    },
    "sensor_msgs/CompressedImage": {"header": HEADER, "format": "string", "data": "sequence<uint8>"},
    "diagnostic_msgs/KeyValue": {"key": "string", "value": "string"},
    "diagnostic_msgs/DiagnosticStatus": {
        "level": "octet",
        "name": "string",
        "message": "string",
        "hardware_id": "string",
        "values": "sequence<diagnostic_msgs/KeyValue>",
    },
    "diagnostic_msgs/DiagnosticArray": {"header": HEADER, "status": "sequence<diagnostic_msgs/DiagnosticStatus>"},
}
RANGES = {"uint8": (0, 2**8 - 1), "uint16": (0, 2**16 - 1), "uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1)}
LARGEST_FLOAT32 = 3.402823466e38
LABELS = LabelMap(["run", "jump", "wave"])
PREDICTION = Prediction(
    7, (Hypothesis(2, "wave", 0.75), Hypothesis(0, "run", 0.2)), np.array([0.2, 0.05, 0.75], np.float32)
)


class Message:
    """Base of the classes: fields with a default, and nothing else."""

    FIELDS: ClassVar[dict] = {}
    TYPES: ClassVar[dict] = {}  # by name, those of the same distribution

    def __init__(self, **values):
        for name, kind in self.FIELDS.items():
            object.__setattr__(self, name, self.default(kind))
        for name, value in values.items():
            setattr(self, name, value)

    def default(self, kind):
        if kind.endswith("[]"):
            return []
        plain = {"string": "", "float64": 0.0, "float32": 0.0}
        return plain[kind] if kind in plain else 0 if kind in RANGES else self.TYPES.get(kind, lambda: None)()

    def __setattr__(self, name, value):
        if name not in self.FIELDS:
            raise AttributeError(f"{type(self).__name__} has no field {name}")
        assert self.takes(self.FIELDS[name], value), f"{type(self).__name__}.{name} does not take {value!r}"
        object.__setattr__(self, name, value)

    def takes(self, kind, value):
        """As the setters that rosidl generates: no conversions."""
        if kind.endswith("[]"):
            return isinstance(value, list) and all(self.takes(kind[:-2], item) for item in value)
        if kind in RANGES:
            return isinstance(value, int) and RANGES[kind][0] <= value <= RANGES[kind][1]
        if kind.startswith("float"):
            fits = kind == "float64" or (isinstance(value, float) and abs(value) <= LARGEST_FLOAT32)
            return isinstance(value, float) and fits and math.isfinite(value)
        return isinstance(value, str if kind == "string" else self.TYPES[kind])


def module_of(definitions):
    """A module vision_msgs.msg with these message classes."""
    types = {HEADER: type("Header", (Message,), {"FIELDS": {"frame_id": "string"}})}
    types["sensor_msgs/Image"] = type("Image", (Message,), {"FIELDS": {"encoding": "string"}})
    for name, fields in definitions.items():
        types[name] = type(name, (Message,), {"FIELDS": fields, "TYPES": types})
    return SimpleNamespace(Header=types[HEADER], **{name: types[name] for name in definitions})


@pytest.fixture(params=VISION_MSGS)
def distribution(request):
    return request.param


@pytest.fixture
def vision_msgs(distribution):
    return module_of(VISION_MSGS[distribution])


@pytest.fixture
def factory(vision_msgs):
    return MessageFactory(vision_msgs)


@pytest.fixture
def header(vision_msgs):
    return vision_msgs.Header(frame_id="camera")


def test_the_classes_refuse_what_rosidls_refuse(vision_msgs):
    item = vision_msgs.ObjectHypothesis()
    for name, value in (("score", 1), ("score", np.float32(0.5)), ("class_name", "run")):
        with pytest.raises((AssertionError, AttributeError)):
            setattr(item, name, value)
    if hasattr(vision_msgs, "VisionClass"):
        with pytest.raises(AssertionError):
            vision_msgs.VisionClass().class_id = 2**16


def test_a_classification_has_the_frames_header_and_the_hypotheses_best_first(distribution, factory, header):
    message = factory.classification(PREDICTION, header, NAME)
    assert type(message).__name__ == ("Classification2D" if distribution == "foxy" else "Classification")
    assert message.header is header
    assert [(class_name(item), item.score) for item in message.results] == [("wave", 0.75), ("run", 0.2)]


@pytest.mark.parametrize("score", [0.75, np.float32(0.75), 1])
@pytest.mark.parametrize(("class_id_format", "expected"), [(NAME, "wave"), (INDEX, "2")])
def test_a_hypothesis_has_its_class_in_the_field_of_the_distribution(
    distribution, factory, class_id_format, expected, score
):
    message = factory.hypothesis(Hypothesis(2, "wave", score), class_id_format)
    assert getattr(message, "id" if distribution == "foxy" else "class_id") == expected
    assert message.score == float(score)


def test_vision_info_fits(factory, header):
    message = factory.vision_info(header, "cox3d_s", LABELS)
    assert json.loads(message.database_location) == list(LABELS)


def test_label_info_fits_where_it_exists(distribution, factory, header):
    message = factory.label_info(header, LABELS, 1)
    if distribution in {"foxy", "galactic"}:
        assert (factory.label_info_type, message) == (None, None)
        return
    assert message.threshold == 1.0
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == list(enumerate(LABELS))


def test_more_classes_than_a_message_can_number_are_left_out(factory, header):
    many = LabelMap([f"class {number}" for number in range(2**16 + 5)])
    message = factory.label_info(header, many, 0.0)
    assert message is None or len(message.class_map) == 2**16


def test_the_installed_vision_msgs_has_the_fields_of_one_of_these():
    installed = pytest.importorskip("vision_msgs.msg")
    names = ("ObjectHypothesis", "Classification", "Classification2D", "VisionInfo", "LabelInfo", "VisionClass")
    found = {
        name: [*getattr(installed, name).get_fields_and_field_types()] for name in names if hasattr(installed, name)
    }
    known = [{name: [*fields] for name, fields in definitions.items()} for definitions in VISION_MSGS.values()]
    assert found in known


@pytest.mark.parametrize("name", COMMON)
def test_the_common_messages_have_the_fields_that_they_have_had_since_foxy(name):
    package, kind = name.split("/")
    module = pytest.importorskip(f"{package}.msg")
    assert getattr(module, kind).get_fields_and_field_types() == COMMON[name]


def test_trigger_has_the_fields_that_it_has_had_since_foxy():
    trigger = pytest.importorskip("std_srvs.srv").Trigger
    assert trigger.Request.get_fields_and_field_types() == {}
    assert trigger.Response.get_fields_and_field_types() == {"success": "boolean", "message": "string"}
