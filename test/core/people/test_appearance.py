"""Appearance: the same clothes look alike, others don't."""

import numpy as np
import pytest

from opendr_har_core.people.appearance import appearances, unlikeness

RED, BLUE, GREEN = (200, 40, 40), (40, 40, 200), (40, 160, 60)
BOX = np.array([20.0, 10.0, 60.0, 110.0])


def image(upper, lower, box=BOX, noise=0.0):
    """A person in these colours in front of a grey wall."""
    rgb = np.full((120, 160, 3), 128.0)
    left, top, right, bottom = box.astype(int).clip(0)
    middle = (top + bottom) // 2
    rgb[top:middle, left:right], rgb[middle:bottom, left:right] = upper, lower
    return (rgb + noise * np.random.default_rng(0).standard_normal(rgb.shape)).clip(0, 255).astype(np.uint8)


def test_clothes_are_told_apart_in_noise_and_in_another_box():
    elsewhere = np.add(BOX, (70, 5, 70, 5))
    red, moved, swapped, green = (
        appearances(image(upper, lower, box, noise), box[None])[0]
        for upper, lower, box, noise in (
            (RED, BLUE, BOX, 0.0),
            (RED, BLUE, elsewhere, 3.0),
            (BLUE, RED, BOX, 0.0),
            (GREEN, BLUE, BOX, 0.0),
        )
    )
    same, other_way_round, other_shirt = unlikeness(red[None], np.stack([moved, swapped, green]))[0]
    assert same < 0.5 * min(other_way_round, other_shirt)


@pytest.mark.parametrize("box", [(-30, -30, 10, 50), (150, 100, 400, 300), (-90, 10, -50, 60), (5, 5, 5.5, 6)])
def test_boxes_may_reach_beyond_the_image_and_be_tiny(box):
    looks = appearances(image(RED, BLUE), np.array([box], float))[0]
    assert np.linalg.norm(looks) == pytest.approx(1)
