"""Labels drawn into pictures of any size."""

from __future__ import annotations

import numpy as np
import pytest

from opendr_har_core.media.annotate import annotate
from opendr_har_core.prediction import Hypothesis, Prediction

SIZES = [(240, 320), (480, 640), (1080, 1920), (640, 480), (60, 100), (8, 8), (1, 1), (2000, 30)]


def prediction(*scores, provisional=False, label="passing American football (not in game)"):
    top = tuple(Hypothesis(index, label, score) for index, score in enumerate(scores))
    return Prediction(0, top, np.zeros(5, np.float32), provisional)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_any_size_gets_a_new_picture_of_the_same_size(size, value):
    rgb = np.full((*size, 3), value, np.uint8)
    picture = annotate(rgb, prediction(0.6, 0.3, 0.1, provisional=True), ["latency 12 ms"] * 3)
    assert (picture.shape, picture.dtype) == (rgb.shape, np.uint8)
    assert not np.shares_memory(picture, rgb)
    assert (rgb == value).all()
    assert (picture != rgb).any() or value == 0


def test_provisional_labels_look_different():
    rgb = np.zeros((480, 640, 3), np.uint8)
    certain, provisional = annotate(rgb, prediction(0.8)), annotate(rgb, prediction(0.8, provisional=True))
    assert (certain[:24] != provisional[:24]).any()
    assert certain[30:48].sum() == 0
    assert provisional[30:48].sum() > 0


def bar(picture, row):
    """Length in pixels of a row's bar: the colour at its lower edge, where no letter reaches."""
    line = picture[(row + 1) * 24 - 2].astype(int)
    return int((np.abs(line - line[5]).sum(axis=1) < 20).sum())


def test_bars_are_as_long_as_scores_are_high():
    picture = annotate(np.zeros((480, 640, 3), np.uint8), prediction(0.8, 0.4, 0.2, label="sit"))
    lengths = [bar(picture, row) for row in range(3)]
    assert lengths[0] / lengths[1] == pytest.approx(2, abs=0.05)
    assert lengths[0] / lengths[2] == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("size", SIZES)
def test_boxes_of_people_may_reach_beyond_any_picture(size):
    rgb = np.full((*size, 3), 128, np.uint8)
    boxes = [((-9.0, -9.0, 2.0 * size[1], 2.0 * size[0]), "12 walking 90%"), ((1.0, 1.0, 3.0, 3.0), "")]
    picture = annotate(rgb, None, boxes=boxes)
    assert picture.shape == rgb.shape
    assert (picture != rgb).any()


def test_a_person_keeps_the_colour_when_the_label_changes():
    rgb = np.zeros((240, 320, 3), np.uint8)
    box = (100.0, 80.0, 200.0, 230.0)
    walking, bending, other = (annotate(rgb, None, boxes=[(box, title)]) for title in ("7 walking", "7 bending", "8"))
    edges = [picture[200, 100].tolist() for picture in (walking, bending, other)]
    assert edges[0] == edges[1] != edges[2]
    assert edges[0] != [0, 0, 0]
    assert (walking[60:80] != bending[60:80]).any()
