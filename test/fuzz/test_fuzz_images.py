"""Image messages of every shape of wrong: the right picture or an ImageError, in bounded time and memory."""

from __future__ import annotations

import random
import sys
import types

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from image_contract import CompressedCase, RawCase, check, is_valid
from image_seeds import others, seeds, with_right_checksums
from mutations import mutated

from opendr_har_core.errors import ImageError
from opendr_har_core.media.encodings import ENCODINGS

NAMES = sorted(ENCODINGS)
SIZES = some.one_of(some.integers(0, 9), some.integers(0, 40), some.sampled_from([65535, 2**31 - 1, 2**32 - 1, 8000]))
LIES = some.sampled_from([0, 1, 2, 2**16, 2**31, 2**32 - 1])
SHORT = settings(
    max_examples=1500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
SEEDS = seeds()


@some.composite
def nearly_right(draw):
    """An image message with its data, of which step, length or size may be a lie."""
    name = draw(some.one_of(some.sampled_from(NAMES), some.text(max_size=12)))
    height, width = draw(SIZES), draw(SIZES)
    layout = ENCODINGS.get(name, ENCODINGS["rgb8"])
    row = width * layout.channels * (2 if layout.wide else 1)
    step = draw(some.one_of(some.just(row), some.integers(row, row + 9), LIES, some.just(max(0, row - 1))))
    rows = height * 3 // 2 if layout.planar else height
    needed = max(0, step * (rows - 1) + row)
    length = min(50_000, max(0, needed + draw(some.sampled_from([0, 0, 0, -1, 1, 100, -needed]))))
    seed = draw(some.integers(0, 1 << 30))
    return RawCase(height, width, name, draw(some.integers(0, 255)), step, random.Random(seed).randbytes(length))


@some.composite
def any_picture(draw):
    """A compressed image that was spoilt."""
    seed = draw(some.integers(0, 1 << 40))
    rng = random.Random(seed)
    data = mutated(rng.choice(SEEDS), rng)
    return CompressedCase(with_right_checksums(data) if rng.random() < 0.5 else data)


@SHORT
@given(nearly_right())
def test_any_raw_image_is_decoded_as_by_a_slow_decoder_or_refused(case):
    check(case)


@SHORT
@given(any_picture())
def test_any_compressed_image_is_decoded_in_its_announced_size_or_refused(case):
    check(case)


@settings(SHORT, max_examples=300)
@given(nearly_right())
def test_so_are_real_messages(case):
    sensor_msgs = pytest.importorskip("sensor_msgs.msg")
    from opendr_har_ros.common.images import frame_from_image

    if "\0" in case.encoding or any(0xD800 <= ord(letter) < 0xE000 for letter in case.encoding):
        return  # no ROS string
    fields = ("height", "width", "encoding", "is_bigendian", "data")
    wanted = {name: getattr(case, name) for name in fields}
    check(case, sensor_msgs.Image(step=min(case.step, 2**32 - 1), **wanted), frame_from_image)


@settings(SHORT, max_examples=200)
@given(any_picture())
def test_so_are_real_compressed_messages(case):
    sensor_msgs = pytest.importorskip("sensor_msgs.msg")
    from opendr_har_ros.common.images import frame_from_compressed

    check(case, sensor_msgs.CompressedImage(format="jpeg", data=case.data), frame_from_compressed)


def test_valid_images_of_every_encoding_and_small_size_are_as_the_slow_decoder_sees_them():
    rng = random.Random(0)
    seen = 0
    for name in NAMES:
        layout = ENCODINGS[name]
        for height in range(1, 8):
            for width in range(1, 8):
                row = width * layout.channels * (2 if layout.wide else 1)
                step = row + rng.choice((0, 0, 3))
                rows = height * 3 // 2 if layout.planar else height
                case = RawCase(height, width, name, rng.randrange(2), step, rng.randbytes(step * rows))
                seen += check(case) is not None
                assert is_valid(case) == (check(case) is not None)
    assert seen > 20 * 49


@pytest.mark.parametrize("data", others(), ids=lambda data: repr(data[:8]))
def test_other_formats_are_refused(data):
    assert check(CompressedCase(data)) is None


@pytest.mark.parametrize("index", range(len(SEEDS)))
def test_the_valid_ones_are_decoded(index):
    assert check(CompressedCase(SEEDS[index])).shape == (16, 24, 3)


@pytest.mark.parametrize("result", [None, "text", np.zeros((2, 2)), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)])
def test_whatever_cv_bridge_returns_is_checked(monkeypatch, result):
    from opendr_har_ros.common.images import frame_from_image

    bridge = types.SimpleNamespace(imgmsg_to_cv2=lambda message, encoding: result)
    monkeypatch.setitem(sys.modules, "cv_bridge", types.SimpleNamespace(CvBridge=lambda: bridge))
    with pytest.raises(ImageError):
        frame_from_image(RawCase(2, 2, "infrared99", 0, 2, b"1234"), 0).rgb
