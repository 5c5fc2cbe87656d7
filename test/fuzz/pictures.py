"""Small valid and hostile pictures, as sensor_msgs/CompressedImage carries them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import List

import cv2
import numpy as np

HEIGHT, WIDTH = 16, 24


@dataclass(frozen=True)
class Compressed:
    """The field of a sensor_msgs/CompressedImage that is read."""

    data: bytes


def pixels(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A (height, width, 3) picture with edges and noise."""
    picture = np.random.default_rng(0).integers(0, 60, (height, width, 3), dtype=np.uint8)
    picture[height // 4 : height // 2, width // 4 :] += 120
    return picture


def seeds() -> List[bytes]:
    """Valid JPEGs (the first four) and PNGs of all kinds that OpenCV writes, and a JPEG with an orientation."""
    picture = pixels()
    grey = picture[..., 0]
    jpeg = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_QUALITY, 30), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
    coded = [cv2.imencode(".jpg", picture, list(setting))[1].tobytes() for setting in jpeg]
    coded.append(cv2.imencode(".jpg", grey)[1].tobytes())
    alpha = np.dstack([picture, grey])
    coded += [cv2.imencode(".png", image)[1].tobytes() for image in (picture, grey, alpha, picture.astype(np.uint16))]
    return [*coded, jpeg_with_orientation(coded[0])]


def jpeg_with_orientation(jpeg: bytes, orientation: int = 6) -> bytes:
    """The same with Exif data of a camera that was held sideways."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01"
    exif = b"Exif\x00\x00" + tiff + struct.pack(">HHI", orientation, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def jpeg_announcing(height: int, width: int) -> bytes:
    """A JPEG whose header announces another size than that of its data."""
    jpeg = seeds()[1]
    place = jpeg.index(b"\xff\xc0")
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


def jpeg_with_hidden_size(height: int, width: int) -> bytes:
    """A reader that takes a fill byte for a marker jumps to a small size; a decoder finds the true one."""
    jpeg = jpeg_announcing(height, width)
    place = jpeg.index(b"\xff\xc0")
    body = jpeg[:place] + b"\xff" + jpeg[place:]
    length = int.from_bytes(body[place + 2 : place + 4], "big")
    small = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", HEIGHT, WIDTH)
    return body.ljust(place + 2 + length, b"\x00") + small + bytes(30)


def jpeg_of_many_scans(scans: int, side: int) -> bytes:
    """A progressive grey JPEG that repeats its last scan."""
    grey = np.zeros((side, side), np.uint8)
    jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    return jpeg[:-2] + jpeg[jpeg.rindex(b"\xff\xda") : -2] * scans + b"\xff\xd9"


def png_announcing(height: int, width: int, first: bytes = b"") -> bytes:
    """A PNG whose header announces another size than that of its data; `first` is a chunk before that header."""
    png = seeds()[4]
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return png[:8] + first + header + png[33:]


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
