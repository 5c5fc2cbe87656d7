"""Image messages of every encoding and layout, and invalid ones."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs")
from sensor_msgs.msg import CompressedImage, Image

from opendr_har_core.errors import ImageError
from opendr_har_ros.common.images import ENCODINGS, frame_from_image, frame_from_message

HEIGHT, WIDTH = 24, 32
STAMP = 123_456_789


@pytest.fixture(scope="module")
def scene():
    """A smooth image that colour subsampling and Bayer patterns change little."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([60 + 4 * rows, 40 + 5 * columns, 200 - 3 * rows], axis=-1).astype(np.uint8)


def message(pixels, encoding, padding=0, big_endian=False):
    """An Image of (rows, values) pixels with padded rows."""
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1)
    if rows.dtype == np.uint16:
        rows = rows.astype(">u2" if big_endian else "<u2")
    data = rows.view(np.uint8).reshape(rows.shape[0], -1)
    filled = np.concatenate([data, np.full((data.shape[0], padding), 255, np.uint8)], axis=1)
    return Image(
        height=HEIGHT,
        width=WIDTH,
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=filled.shape[1],
        data=filled.tobytes(),
    )


def bayer(scene, pattern):
    """A Bayer image: `pattern` lists the colours of the first 2x2 pixels, row by row."""
    raw = np.empty((HEIGHT, WIDTH), np.uint8)
    for index, colour in enumerate(pattern):
        row, column = divmod(index, 2)
        raw[row::2, column::2] = scene[row::2, column::2, "rgb".index(colour)]
    return raw


def encoded(scene, encoding):
    """`scene` in an encoding, as uint8 or uint16 rows."""
    wide = encoding.endswith(("16", "16UC1", "16UC3"))
    name = encoding.replace("16UC1", "mono8").replace("16UC3", "bgr8").replace("16", "8")
    name = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8"}.get(name, name)
    narrow = _encoded_narrow(scene, name)
    return narrow.astype(np.uint16) * 256 + 77 if wide else narrow


def _encoded_narrow(scene, name):
    if name.startswith("bayer_"):
        return bayer(scene, name[len("bayer_") : -1])
    codes = {
        "bgr8": cv2.COLOR_RGB2BGR,
        "rgba8": cv2.COLOR_RGB2RGBA,
        "bgra8": cv2.COLOR_RGB2BGRA,
        "mono8": cv2.COLOR_RGB2GRAY,
    }
    if name == "rgb8":
        return scene
    if name in codes:
        return cv2.cvtColor(scene, codes[name])
    yuv = cv2.cvtColor(scene, cv2.COLOR_RGB2YUV_I420)
    luma, chroma = yuv[:HEIGHT], yuv[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    if name in ("nv12", "nv21"):
        pair = chroma if name == "nv12" else chroma[::-1]
        return np.concatenate([luma, np.stack(pair, axis=-1).reshape(HEIGHT // 2, WIDTH)])
    packed = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    first = 0 if name in ("yuv422_yuy2", "yuyv") else 1
    packed[..., first] = luma
    packed[:, 0::2, 1 - first] = chroma[0].repeat(2, axis=0)
    packed[:, 1::2, 1 - first] = chroma[1].repeat(2, axis=0)
    return packed


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_every_encoding_gives_the_same_image(scene, encoding, padding):
    frame = frame_from_image(message(encoded(scene, encoding), encoding, padding), STAMP)
    assert frame.stamp_ns == STAMP
    assert frame.size == (HEIGHT, WIDTH)
    assert frame.rgb.shape == (HEIGHT, WIDTH, 3)
    assert frame.rgb.dtype == np.uint8
    grey = encoding in ("mono8", "mono16", "8UC1", "16UC1")
    expected = np.repeat(cv2.cvtColor(scene, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2) if grey else scene
    inner = (slice(2, -2), slice(2, -2))  # Bayer patterns are extrapolated at the border
    difference = np.abs(frame.rgb[inner].astype(int) - expected[inner].astype(int))
    exact = encoding in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1", "8UC3", "8UC4")
    assert difference.max() <= (0 if exact else 8), difference.max()


@pytest.mark.parametrize("encoding", sorted(name for name, layout in ENCODINGS.items() if layout.wide))
def test_both_byte_orders_give_the_same_image(scene, encoding):
    pixels = encoded(scene, encoding)
    little = frame_from_image(message(pixels, encoding), 0)
    big = frame_from_image(message(pixels, encoding, padding=4, big_endian=True), 0)
    assert np.array_equal(little.rgb, big.rgb)


def test_rgb8_is_read_in_place(scene):
    image = message(scene, "rgb8", padding=5)
    assert np.shares_memory(frame_from_image(image, 0).rgb, np.frombuffer(image.data, np.uint8))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"data": b"\x00" * 100}, "needs 2304 bytes, but has 100"),
        ({"data": b""}, "has 0"),
        ({"step": 10}, "rows of 96 bytes, but its step is 10"),
        ({"height": 0}, "32x0 pixels is empty"),
        ({"width": 0}, "0x24 pixels is empty"),
        ({"height": 4_000_000_000, "width": 4_000_000_000}, "over the limit"),
        ({"height": 1000}, "needs 96000 bytes"),
    ],
)
def test_an_invalid_layout_is_rejected_at_once(scene, change, expected):
    image = message(scene, "rgb8")
    for name, value in change.items():
        setattr(image, name, value)
    with pytest.raises(ImageError, match=expected):
        frame_from_image(image, 0)


def test_an_unknown_encoding_is_an_error_that_lists_the_known_ones(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    frame = frame_from_image(message(scene, "infrared99"), 0)
    with pytest.raises(ImageError, match=r"'infrared99'.*bgr8.*yuv422"):
        frame.rgb


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_compressed_images_are_read(scene, suffix):
    _, data = cv2.imencode(suffix, cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))
    frame = frame_from_message(CompressedImage(format=suffix[1:], data=data.tobytes()), "compressed", STAMP)
    assert frame.size == (HEIGHT, WIDTH)
    assert np.abs(frame.rgb.astype(int) - scene.astype(int)).max() <= 8
