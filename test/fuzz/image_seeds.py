"""Small valid images, and hostile ones made by hand, as what sensor_msgs/CompressedImage carries."""

from __future__ import annotations

import struct
import zlib
from typing import List

import cv2
import numpy as np

HEIGHT, WIDTH = 16, 24


def pixels(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A (height, width, 3) picture with edges and noise."""
    picture = np.random.default_rng(0).integers(0, 60, (height, width, 3), dtype=np.uint8)
    picture[height // 4 : height // 2, width // 4 :] += 120
    return picture


def seeds() -> List[bytes]:
    """Valid JPEGs and PNGs of all kinds that OpenCV can write."""
    picture = pixels()
    grey = picture[..., 0]
    jpeg = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_QUALITY, 30), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
    coded = [cv2.imencode(".jpg", picture, list(setting))[1].tobytes() for setting in jpeg]
    coded.append(cv2.imencode(".jpg", grey)[1].tobytes())
    alpha = np.dstack([picture, grey])
    coded += [cv2.imencode(".png", image)[1].tobytes() for image in (picture, grey, alpha, picture.astype(np.uint16))]
    return [*coded, jpeg_with_orientation(coded[0])]


def others() -> List[bytes]:
    """Valid pictures of other formats, which messages may not have, and no pictures."""
    picture = pixels()
    names = (".bmp", ".webp", ".tiff", ".ppm")
    coded = [cv2.imencode(name, picture)[1].tobytes() for name in names if cv2.haveImageWriter(f"x{name}")]
    return [*coded, b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(100), b"\xff" * 1000]


def jpeg_with_orientation(jpeg: bytes, orientation: int = 6) -> bytes:
    """The same with Exif that says that the camera was held sideways."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01" + struct.pack(
        ">HHI", orientation, 0, 0
    )
    exif = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def jpeg_announcing(height: int, width: int) -> bytes:
    """A JPEG whose header says another size than that of its data."""
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
    """A progressive grey JPEG whose last scan comes again and again."""
    grey = np.zeros((side, side), np.uint8)
    jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = jpeg[max(jpeg.rindex(b"\xff\xda"), 0) : -2]
    return jpeg[:-2] + last * scans + b"\xff\xd9"


def png_announcing(height: int, width: int, first: bytes = b"") -> bytes:
    """A PNG whose header says another size than that of its data; `first` is a chunk before that header."""
    png = seeds()[4]
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return png[:8] + first + header + png[33:]


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_right_checksums(png: bytes) -> bytes:
    """A PNG whose chunks were changed, with checksums that let a decoder go on."""
    out, place = bytearray(png[:8]), 8
    while place + 12 <= len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        content = png[place + 8 : place + 8 + length]
        if len(content) < length:
            break
        out += png_chunk(png[place + 4 : place + 8], content)
        place += 12 + length
    return bytes(out + png[place:])
