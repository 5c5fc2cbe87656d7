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


def test_without_labels_the_picture_is_unchanged():
    rgb = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    picture = annotate(rgb, None)
    assert (picture == rgb).all()
    assert not np.shares_memory(picture, rgb)


def test_provisional_labels_look_different():
    rgb = np.zeros((480, 640, 3), np.uint8)
    certain, provisional = annotate(rgb, prediction(0.8)), annotate(rgb, prediction(0.8, provisional=True))
    assert (certain[:24] != provisional[:24]).any()
    assert certain[30:48].sum() == 0
    assert provisional[30:48].sum() > 0
