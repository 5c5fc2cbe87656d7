"""What decoding an image message must do, whatever is in it: the right picture or an ImageError, and nothing else.

`reference` is a second decoder, one pixel at a time: an index outside of the data is an error there, never a read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

import numpy as np

from opendr_har_core.errors import ImageError
from opendr_har_core.media.encodings import ENCODINGS, read_compressed, read_raw
from opendr_har_core.media.image_size import MAX_PIXELS

COMPARED_PIXELS = 600
# Chroma and Bayer patterns are computed with rounding, which OpenCV's vector code does in an order of its own.
ROUNDING = 2


@dataclass(frozen=True)
class RawCase:
    """The fields of a sensor_msgs/Image that matter."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes


@dataclass(frozen=True)
class CompressedCase:
    """The field of a sensor_msgs/CompressedImage that matters."""

    data: bytes


def check(case: Union[RawCase, CompressedCase], message=None, read=None) -> Optional[np.ndarray]:
    """Decode `message` (by default the case itself) and return the picture, or None where it was refused.

    `read` is the reader, by default the core's. Fails with AssertionError where the contract is broken.
    """
    raw = isinstance(case, RawCase)
    read = read or (read_raw if raw else read_compressed)
    try:
        frame = read(case if message is None else message, 0)
        rgb = frame.rgb
    except ImageError as error:
        assert len(str(error)) < 2000, "an error as long as a book"
        assert not raw or not is_valid(case), f"a valid image was refused: {error}"
        return None
    assert rgb.dtype == np.uint8
    assert rgb.shape == (*frame.size, 3)
    assert 0 < rgb.shape[0] * rgb.shape[1] <= MAX_PIXELS
    if raw:
        assert frame.size == (case.height, case.width)
        assert is_valid(case), "an image that can't be right was decoded"
        if case.height * case.width <= COMPARED_PIXELS:
            _compare(rgb, reference(case), case)
    return rgb


def is_valid(case: RawCase) -> bool:
    """Whether there is exactly one picture that the message can mean."""
    layout = ENCODINGS.get(case.encoding)
    if layout is None or case.height < 1 or case.width < 1 or case.height * case.width > MAX_PIXELS:
        return False
    if case.encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        if case.width % 2:
            return False
    elif layout.planar and (case.width % 2 or case.height % 2):
        return False
    row = case.width * layout.channels * (2 if layout.wide else 1)
    step = case.step or row
    rows = case.height * 3 // 2 if layout.planar else case.height
    return step >= row and len(case.data) >= step * (rows - 1) + row


def reference(case: RawCase) -> np.ndarray:
    """The picture of a valid case, slowly."""
    layout = ENCODINGS[case.encoding]
    wide = 2 if layout.wide else 1
    step = case.step or case.width * layout.channels * wide

    def value(row: int, column: int, channel: int = 0) -> int:
        offset = row * step + (column * layout.channels + channel) * wide
        assert 0 <= column < case.width
        return case.data[offset + (1 if layout.wide and not case.is_bigendian else 0)]

    picture = np.zeros((case.height, case.width, 3), np.uint8)
    if case.encoding.startswith("bayer_"):
        return _bayer(picture, value, case.encoding[len("bayer_") :][:4])
    for row in range(case.height):
        for column in range(case.width):
            picture[row, column] = _pixel(case, value, row, column)
    return picture


def _pixel(case: RawCase, value, row: int, column: int):
    name = case.encoding
    if name in ("nv12", "nv21"):
        pair = [value(case.height + row // 2, column // 2 * 2 + index) for index in (0, 1)]
        return _from_yuv(value(row, column), *(pair if name == "nv12" else pair[::-1]))
    if name in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        first = 1 if name in ("yuv422", "uyvy") else 0
        pair = [value(row, column // 2 * 2 + index, 1 - first) for index in (0, 1)]
        return _from_yuv(value(row, column, first), *pair)
    if ENCODINGS[name].channels == 1:
        return [value(row, column)] * 3
    order = (0, 1, 2) if name.startswith("rgb") else (2, 1, 0)
    return [value(row, column, channel) for channel in order]


def _from_yuv(y: int, u: int, v: int):
    """BT.601 with limited range, in 20 bits as OpenCV has it."""
    bright = max(0, y - 16) * 1220542 + (1 << 19)
    u, v = u - 128, v - 128
    rgb = (bright + 1673527 * v, bright - 852492 * v - 409993 * u, bright + 2116026 * u)
    return [min(255, max(0, channel >> 20)) for channel in rgb]


def _bayer(picture: np.ndarray, value, pattern: str) -> np.ndarray:
    """Means of the nearest pixels of each colour; the border repeats what is inside."""
    height, width = picture.shape[:2]
    if height < 3 or width < 3:
        return picture
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            for index, colour in enumerate("rgb"):
                picture[row, column, index] = _bayer_colour(value, pattern, row, column, colour)
    picture[0], picture[-1] = picture[1], picture[-2]
    picture[:, 0], picture[:, -1] = picture[:, 1], picture[:, -2]
    return picture


def _bayer_colour(value, pattern: str, row: int, column: int, colour: str) -> int:
    def seen(r: int, c: int) -> bool:
        return pattern[r % 2 * 2 + c % 2] == colour

    if seen(row, column):
        return value(row, column)
    near = [(row + r, column + c) for r in (-1, 0, 1) for c in (-1, 0, 1) if seen(row + r, column + c)]
    if colour == "g":
        near = [place for place in near if abs(place[0] - row) + abs(place[1] - column) == 1]
    return (sum(value(*place) for place in near) + len(near) // 2) // len(near)


def _compare(rgb: np.ndarray, expected: np.ndarray, case: RawCase) -> None:
    exact = not (case.encoding.startswith(("bayer", "nv", "yuv", "uyvy")))
    worst = int(np.abs(rgb.astype(int) - expected.astype(int)).max())
    assert worst <= (0 if exact else ROUNDING), f"{case.encoding} {case.width}x{case.height}: differs by {worst}"
