"""Image messages with any content give the right picture or an ImageError."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")
from edits import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import Compressed, seeds

from opendr_har_core.errors import ImageError
from opendr_har_core.media.encodings import ENCODINGS, read_compressed, read_raw
from opendr_har_core.media.pictures import MAX_PIXELS

SIZES = st.one_of(st.integers(0, 9), st.integers(0, 40), st.sampled_from([65535, 2**31 - 1, 2**32 - 1, 8000]))
LIES = st.sampled_from([0, 1, 2, 2**16, 2**31, 2**32 - 1])
QUICK = settings(
    max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
SEEDS = seeds()


@dataclass(frozen=True)
class Raw:
    """The fields of a sensor_msgs/Image that are read."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes


@st.composite
def raw_images(draw):
    """Messages whose step, length or size may be wrong."""
    name = draw(st.one_of(st.sampled_from(sorted(ENCODINGS)), st.text(max_size=12)))
    height, width = draw(SIZES), draw(SIZES)
    row, rows = shape_of(name, height, width)
    step = draw(st.one_of(st.just(row), st.integers(row, row + 9), LIES, st.just(max(0, row - 1))))
    needed = max(0, step * (rows - 1) + row)
    length = min(50_000, max(0, needed + draw(st.sampled_from([0, 0, 0, -1, 1, 100, -needed]))))
    data = np.random.default_rng(draw(st.integers(0, 1 << 30))).bytes(length)
    return Raw(height, width, name, draw(st.integers(0, 255)), step, data)


def shape_of(name, height, width):
    """(bytes of a row, rows) of an image."""
    layout = ENCODINGS.get(name, ENCODINGS["rgb8"])
    return width * layout.channels * (2 if layout.wide else 1), height * 3 // 2 if layout.planar else height


def is_valid(message):
    layout = ENCODINGS.get(message.encoding)
    if layout is None or not 0 < message.height * message.width <= MAX_PIXELS:
        return False
    subsampled = message.encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv") or layout.planar
    if (subsampled and message.width % 2) or (layout.planar and message.height % 2):
        return False
    row, rows = shape_of(message.encoding, message.height, message.width)
    step = message.step or row
    return step >= row and len(message.data) >= step * (rows - 1) + row


@QUICK
@given(raw_images())
def test_raw_images_are_decoded_exactly_if_they_are_valid(message):
    try:
        rgb = read_raw(message, 0).rgb
    except ImageError as error:
        assert not is_valid(message), error
        assert len(str(error)) < 2000
        return
    assert is_valid(message)
    assert (rgb.shape, rgb.dtype) == ((message.height, message.width, 3), np.uint8)
    name, layout = message.encoding, ENCODINGS[message.encoding]
    if name.startswith(("bayer", "yuv", "uyvy", "nv")):
        return  # test/ros/common/test_images.py compares pictures
    row, _ = shape_of(name, message.height, message.width)
    rows = [message.data[index * (message.step or row) :][:row] for index in range(message.height)]
    values = np.frombuffer(b"".join(rows), np.uint8).reshape(message.height, message.width, layout.channels, -1)
    values = values[..., 0 if message.is_bigendian or not layout.wide else 1]
    order = [0, 0, 0] if layout.channels == 1 else [0, 1, 2] if name.startswith("rgb") else [2, 1, 0]
    np.testing.assert_array_equal(rgb, values[..., order])


@QUICK
@given(damaged(SEEDS))
def test_damaged_pictures_are_decoded_in_the_announced_size_or_refused(data):
    try:
        frame = read_compressed(Compressed(data), 0)
        assert frame.rgb.shape == (*frame.size, 3)
    except ImageError as error:
        assert len(str(error)) < 2000
