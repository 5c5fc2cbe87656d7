"""From a camera image to the network's square."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from opendr_har_core.streaming.preprocess import to_network_input


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (160, 160), (161, 320), (20, 30), (1, 1)])
def test_any_image_becomes_the_square_that_was_asked_for(size):
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    square = to_network_input(rgb, 160)
    assert (square.shape, square.dtype) == ((160, 160, 3), np.uint8)
    assert square.flags.c_contiguous


def test_the_centre_is_kept():
    rgb = np.zeros((100, 300, 3), np.uint8)
    rgb[:, 100:200] = 200
    assert (to_network_input(rgb, 50) == 200).all()


def test_it_equals_scaling_first_and_cropping_after():
    rgb = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8), (15, 15), 5)
    scaled = cv2.resize(rgb, (160, 120), interpolation=cv2.INTER_AREA)[:, 20:140]
    assert np.abs(to_network_input(rgb, 120).astype(int) - scaled).max() <= 1


def test_the_result_never_shares_memory_with_the_camera_buffer():
    rgb = np.zeros((160, 160, 3), np.uint8)
    square = to_network_input(rgb, 160)
    rgb[:] = 255
    assert not square.any()
