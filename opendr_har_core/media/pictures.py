"""Picture files, and the size that a picture announces, read from its header before anything is decoded or allocated.

Decoders trust the header: 30000x30000 pixels in a file of 100 bytes allocate gigabytes. So the size read here must be
the one that the decoder reads: a header with a small defect, which a decoder might accept, has no size.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Optional, Tuple, Union

import cv2
import numpy as np

from opendr_har_core.errors import ImageError
from opendr_har_core.storage.reading import read_regular

MAX_PIXELS = 64_000_000
# Size of the largest uncompressed picture, in bytes.
LARGEST_FILE = 8 * MAX_PIXELS
# A progressive JPEG has about ten scans. Each can be 100 bytes long and costs a pass over all pixels.
MAX_SCANS = 64
# Beyond the thumbnails and colour profiles that cameras put before the size of a JPEG.
HEAD_BYTES = 1 << 18
Size = Tuple[int, int]

START_OF_SCAN = b"\xff\xda"
PNG = b"\x89PNG\r\n\x1a\n"
# A portable pixmap or graymap: kind, width, height, with comments in between.
PPM = re.compile(rb"P[2356](?:\s+|#[^\n]*\n)+(\d{1,9})(?:\s+|#[^\n]*\n)+(\d{1,9})\s")


def read_picture(path: Union[str, Path]) -> np.ndarray:
    """A JPEG, PNG, BMP, PPM or WebP file as uint8 (height, width, 3) in BGR order; raises ImageError."""
    try:
        content = read_regular(path, LARGEST_FILE)
    except FileNotFoundError:
        raise ImageError(f"there is no image file {path}") from None
    except OSError as error:
        raise ImageError(f"{path} can't be read: {error}") from None
    size = picture_size(content[:HEAD_BYTES])
    if size is None:
        raise ImageError(f"{path} can't be decoded as a picture: not a JPEG, PNG, BMP, PPM or WebP, or damaged")
    try:
        checked_size(*size)
        check_cost(content)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except (ImageError, cv2.error) as error:
        raise ImageError(f"{path} can't be decoded as a picture: {error}") from None
    if image is None:
        raise ImageError(f"{path} can't be decoded as a picture: it is damaged; remove or replace it")
    picture: np.ndarray = image
    return picture


def jpeg_or_png_size(head: bytes) -> Optional[Size]:
    """(height, width) that a JPEG or PNG announces in its first HEAD_BYTES; None for other or damaged data."""
    if head.startswith(PNG + b"\x00\x00\x00\x0dIHDR") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return int(height), int(width)
    return _jpeg_size(head) if head.startswith(b"\xff\xd8") else None


def picture_size(head: bytes) -> Optional[Size]:
    """As `jpeg_or_png_size`, also for BMP, PPM and WebP."""
    if head.startswith(b"BM") and len(head) >= 26:
        return _bmp_size(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp_size(head)
    match = PPM.match(head[:4096])
    if match:
        return int(match[2]), int(match[1])
    return jpeg_or_png_size(head)


def checked_size(height: int, width: int) -> Size:
    """(height, width); raises ImageError if either is zero or the product exceeds MAX_PIXELS."""
    if height < 1 or width < 1:
        raise ImageError(f"an image of {width}x{height} pixels is empty; check the camera driver")
    if height * width > MAX_PIXELS:
        raise ImageError(f"an image of {width}x{height} pixels is over the limit of {MAX_PIXELS}; check the publisher")
    return height, width


def check_cost(data: bytes) -> None:
    """Raise ImageError for a JPEG or PNG of acceptable size that would still take its decoder minutes or gigabytes."""
    scans = data.count(START_OF_SCAN) if data.startswith(b"\xff\xd8") else 0
    if scans > MAX_SCANS:
        raise ImageError(f"a JPEG of {len(data)} bytes has {scans} scans, over the limit of {MAX_SCANS}")
    if data.startswith(PNG):
        _check_chunks(data)


def _check_chunks(data: bytes) -> None:
    """OpenCV allocates the announced length of a chunk before it looks how much data there is."""
    place = len(PNG)
    while place + 8 <= len(data):
        after = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if after > len(data):
            raise ImageError(f"a PNG of {len(data)} bytes is damaged: it announces a chunk that ends at {after}")
        if data[place + 4 : place + 8] == b"IEND":
            return
        place = after


def _jpeg_size(head: bytes) -> Optional[Size]:
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker, length = head[position + 1], int.from_bytes(head[position + 2 : position + 4], "big")
        if marker == 0xFF:  # fill bytes before a marker
            position += 1
            continue
        # Start-of-frame segments; the three other markers in this range are not.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[position + 5 : position + 9])
            return int(height), int(width)
        # Markers without a length do not belong before the size; decoders differ in what they read next.
        if marker <= 0x01 or 0xD0 <= marker <= 0xDA or length < 2:
            return None
        position += 2 + length
    return None


def _bmp_size(head: bytes) -> Size:
    if int.from_bytes(head[14:18], "little") == 12:  # OS/2 header
        width, height = struct.unpack("<HH", head[18:22])
    else:
        width, height = struct.unpack("<ii", head[18:26])
    return abs(int(height)), abs(int(width))  # a negative height means top-down rows


def _webp_size(head: bytes) -> Optional[Size]:
    kind = head[12:16]
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[26:30])
        return int(height) & 0x3FFF, int(width) & 0x3FFF
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(head[27:30], "little") + 1, int.from_bytes(head[24:27], "little") + 1
    return None
