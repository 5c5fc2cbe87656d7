"""Hostile pictures are refused by their header."""

from __future__ import annotations

import resource
import struct
import time

import cv2
import numpy as np
import pytest
from pictures import (
    HEIGHT,
    WIDTH,
    Compressed,
    jpeg_announcing,
    jpeg_of_many_scans,
    jpeg_with_hidden_size,
    jpeg_with_orientation,
    pixels,
    png_announcing,
    png_chunk,
    seeds,
)

from opendr_har_core.errors import ImageError
from opendr_har_core.media.encodings import read_compressed
from opendr_har_core.media.pictures import MAX_SCANS, picture_size, read_picture

SMALL_HEADER = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
BOMBS = {
    "jpeg": jpeg_announcing(65535, 65535),
    "jpeg, a fill byte before its size": jpeg_with_hidden_size(30000, 30000),
    "jpeg of no height": jpeg_announcing(0, 100),
    "png": png_announcing(65535, 65535),
    "png, negative": png_announcing(2**32 - 1, 2**32 - 1),
    "png, another chunk before its header": png_announcing(30000, 30000, png_chunk(b"abCd", SMALL_HEADER)),
    "png, a chunk of four gigabytes": seeds()[4][:33] + b"\xf7\0\0\0IDAT" + seeds()[4][41:],
    "two jpegs in one": seeds()[0][:-2] + jpeg_announcing(30000, 30000)[2:],
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_decompression_bomb_is_refused_cheaply(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError):
        read_compressed(Compressed(BOMBS[name]), 0).rgb
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # kB


def test_a_jpeg_of_thousands_of_scans_is_refused():
    jpeg = jpeg_of_many_scans(5000, 2000)
    start = time.perf_counter()
    with pytest.raises(ImageError, match=f"scans, over the limit of {MAX_SCANS}"):
        read_compressed(Compressed(jpeg), 0).rgb
    assert time.perf_counter() - start < 1.0


def test_the_orientation_of_a_message_is_ignored():
    plain = seeds()[0]
    for orientation in range(1, 9):
        frame = read_compressed(Compressed(jpeg_with_orientation(plain, orientation)), 0)
        assert frame.size == (HEIGHT, WIDTH)
        assert np.array_equal(frame.rgb, read_compressed(Compressed(plain), 0).rgb)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".ppm", ".pgm", ".webp"])
def test_the_size_of_a_picture_file_is_read_from_its_head(tmp_path, suffix):
    picture = pixels() if suffix != ".pgm" else pixels()[..., 0]
    coded = cv2.imencode(suffix, picture)[1].tobytes()
    assert picture_size(coded) == (HEIGHT, WIDTH)
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(coded)
    assert read_picture(path).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "head",
    [
        b"BM" + bytes(12) + b"\x28\0\0\0" + b"\x30\x75\0\0\x30\x75\0\0",
        b"P6\n# wide\n30000 30000\n255\n",
        b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\xff" * 2,
        jpeg_announcing(30000, 30000),
    ],
    ids=["bmp", "ppm", "webp", "jpeg"],
)
def test_a_picture_file_that_announces_too_many_pixels_is_refused(tmp_path, head):
    path = tmp_path / "picture.png"
    path.write_bytes(head + bytes(100))
    with pytest.raises(ImageError, match=r"picture\.png.*over the limit"):
        read_picture(path)
