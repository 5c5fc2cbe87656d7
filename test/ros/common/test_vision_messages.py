"""Predictions as vision_msgs, with the installed message types."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("vision_msgs")
from std_msgs.msg import Header

from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_ros.common import vision_messages

LABELS = LabelMap(["run", "jump", "wave"])
PREDICTION = Prediction(
    7, (Hypothesis(2, "wave", 0.75), Hypothesis(0, "run", 0.2)), np.array([0.2, 0.05, 0.75], np.float32)
)
HEADER = Header(frame_id="camera")


@pytest.mark.parametrize(("class_id_format", "expected"), [("name", ["wave", "run"]), ("index", ["2", "0"])])
def test_a_classification_has_the_header_and_the_hypotheses_best_first(class_id_format, expected):
    message = vision_messages.classification(PREDICTION, HEADER, class_id_format)
    assert message.header == HEADER
    assert [item.class_id for item in message.results] == expected
    assert [item.score for item in message.results] == [0.75, 0.2]


@pytest.mark.parametrize("score", [np.float32(0.75), 1])
def test_numpy_and_integer_scores_become_floats(score):
    assert vision_messages.hypothesis(Hypothesis(2, "wave", score), "name").score == float(score)


def test_vision_info_and_label_info_list_the_classes():
    info = vision_messages.vision_info(HEADER, "cox3d_s", LABELS)
    assert (info.method, json.loads(info.database_location)) == ("cox3d_s", list(LABELS))
    labels = vision_messages.label_info(HEADER, LABELS, 1)
    assert labels.threshold == 1.0
    assert [(item.class_id, item.class_name) for item in labels.class_map] == list(enumerate(LABELS))


def test_label_info_omits_classes_beyond_16_bit_ids():
    many = LabelMap([f"class {number}" for number in range(2**16 + 5)])
    assert len(vision_messages.label_info(HEADER, many, 0.0).class_map) == 2**16
