"""Predictions as messages of every distribution's vision_msgs."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_ros.common.vision_messages import INDEX, NAME, MessageFactory, class_name

LABELS = LabelMap(["run", "jump", "wave"])
PREDICTION = Prediction(
    7, (Hypothesis(2, "wave", 0.75), Hypothesis(0, "run", 0.2)), np.array([0.2, 0.05, 0.75], np.float32)
)


class FoxyHypothesis:
    def __init__(self):
        self.id, self.score = "", 0.0


class Hypothesised:
    def __init__(self):
        self.class_id, self.score = "", 0.0


class Headed:
    def __init__(self):
        self.header, self.results, self.class_map = None, [], []


class VisionClass:
    def __init__(self):
        self.class_id, self.class_name = 0, ""


FOXY = SimpleNamespace(ObjectHypothesis=FoxyHypothesis, Classification2D=Headed, VisionInfo=Headed)
HUMBLE = SimpleNamespace(ObjectHypothesis=Hypothesised, Classification=Headed, VisionInfo=Headed)
KILTED = SimpleNamespace(**vars(HUMBLE), LabelInfo=Headed, VisionClass=VisionClass)


@pytest.fixture(params=["foxy", "humble", "kilted", "installed"])
def factory(request):
    if request.param == "installed":
        pytest.importorskip("vision_msgs")
        return MessageFactory()
    return MessageFactory({"foxy": FOXY, "humble": HUMBLE, "kilted": KILTED}[request.param])


def header():
    try:
        from std_msgs.msg import Header
    except ImportError:
        return SimpleNamespace(frame_id="camera")
    return Header(frame_id="camera")


def test_a_classification_carries_the_frames_header_and_all_hypotheses_best_first(factory):
    message = factory.classification(PREDICTION, header(), NAME)
    assert message.header.frame_id == "camera"
    assert [(class_name(item), item.score) for item in message.results] == [("wave", 0.75), ("run", 0.2)]


def test_class_ids_are_names_or_numbers_as_wished(factory):
    assert class_name(factory.hypothesis(PREDICTION.top[0], NAME)) == "wave"
    assert class_name(factory.hypothesis(PREDICTION.top[0], INDEX)) == "2"


def test_vision_info_carries_the_class_names_itself(factory):
    message = factory.vision_info(header(), "cox3d_s", LABELS)
    assert message.method == "cox3d_s"
    assert json.loads(message.database_location) == ["run", "jump", "wave"]


def test_label_info_exists_where_the_distribution_has_it(factory):
    message = factory.label_info(header(), LABELS, 0.25)
    if factory.label_info_type is None:
        assert message is None
        return
    assert message.threshold == 0.25
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [(0, "run"), (1, "jump"), (2, "wave")]


def test_an_index_of_zero_is_not_taken_for_no_class(factory):
    assert class_name(factory.hypothesis(Hypothesis(0, "run", 0.2), INDEX)) == "0"
