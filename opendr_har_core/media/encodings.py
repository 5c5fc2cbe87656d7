"""Decodes the images of messages and bags, raw or compressed: checked immediately, converted on first access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

import cv2
import numpy as np

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.media.pictures import HEAD_BYTES, Size, check_cost, checked_size, jpeg_or_png_size

# Ignore the orientation in the metadata, so that the picture has its announced size.
AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


@dataclass(frozen=True)
class Encoding:
    """Memory layout of an encoding, and its conversion to RGB.

    Attributes:
        channels: values per pixel and row.
        conversion: OpenCV's colour conversion to RGB; None for RGB.
        wide: whether values have 16 bits, of which the upper 8 are used.
        planar: whether a chroma plane of half the height follows the luma plane (NV12, NV21).
    """

    channels: int
    conversion: Optional[int]
    wide: bool = False
    planar: bool = False


def _encodings() -> Dict[str, Encoding]:
    # ROS names a Bayer pattern by its first two pixels, OpenCV by the second and third pixel of the second row.
    table = {
        "rgb8": Encoding(3, None),
        "bgr8": Encoding(3, cv2.COLOR_BGR2RGB),
        "rgba8": Encoding(4, cv2.COLOR_RGBA2RGB),
        "bgra8": Encoding(4, cv2.COLOR_BGRA2RGB),
        "mono8": Encoding(1, cv2.COLOR_GRAY2RGB),
        "8UC1": Encoding(1, cv2.COLOR_GRAY2RGB),
        "8UC3": Encoding(3, cv2.COLOR_BGR2RGB),
        "8UC4": Encoding(4, cv2.COLOR_BGRA2RGB),
        "bayer_rggb8": Encoding(1, cv2.COLOR_BayerBG2RGB),
        "bayer_bggr8": Encoding(1, cv2.COLOR_BayerRG2RGB),
        "bayer_gbrg8": Encoding(1, cv2.COLOR_BayerGR2RGB),
        "bayer_grbg8": Encoding(1, cv2.COLOR_BayerGB2RGB),
    }
    for name in ("rgb", "bgr", "rgba", "bgra", "mono", "bayer_rggb", "bayer_bggr", "bayer_gbrg", "bayer_grbg"):
        narrow = table[f"{name}8"]
        table[f"{name}16"] = Encoding(narrow.channels, narrow.conversion, wide=True)
    table["16UC1"] = table["mono16"]
    table["16UC3"] = table["bgr16"]
    for name in ("yuv422", "uyvy"):
        table[name] = Encoding(2, cv2.COLOR_YUV2RGB_UYVY)
    for name in ("yuv422_yuy2", "yuyv"):
        table[name] = Encoding(2, cv2.COLOR_YUV2RGB_YUYV)
    table["nv12"] = Encoding(1, cv2.COLOR_YUV2RGB_NV12, planar=True)
    table["nv21"] = Encoding(1, cv2.COLOR_YUV2RGB_NV21, planar=True)
    return table


ENCODINGS = _encodings()


def read_raw(message: Any, stamp_ns: int) -> LazyFrame:
    """A frame of a raw image, which has the fields of a sensor_msgs/Image (height, width, encoding, is_bigendian, step,
    data).

    The layout is checked here, pixels are converted on first access. Raises ImageError for an invalid size, row length,
    data length or encoding.
    """
    size = checked_size(message.height, message.width)
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ImageError(f"unknown image encoding {message.encoding!r}, expected one of {', '.join(sorted(ENCODINGS))}")
    pixels = _pixels(message, encoding)
    return LazyFrame(stamp_ns, size, lambda: _to_rgb(pixels, encoding))


def read_compressed(message: Any, stamp_ns: int) -> LazyFrame:
    """A frame of a JPEG or PNG in `message.data`, as in a sensor_msgs/CompressedImage; raises ImageError."""
    data = np.frombuffer(_buffer(message.data), np.uint8)
    announced = jpeg_or_png_size(data[:HEAD_BYTES].tobytes())
    if announced is None:
        raise ImageError(f"a compressed image begins with {data[:8].tobytes()!r}: not a JPEG or PNG, or damaged")
    size = checked_size(*announced)
    return LazyFrame(stamp_ns, size, lambda: _decompress(data, size))


def _pixels(message: Any, encoding: Encoding) -> np.ndarray:
    """A view of the pixels, (rows, width[, channels]), of any row length and byte order; no copy."""
    dtype = np.dtype((">u2" if message.is_bigendian else "<u2") if encoding.wide else np.uint8)
    rows = message.height * 3 // 2 if encoding.planar else message.height
    row_bytes = message.width * encoding.channels * dtype.itemsize
    step = message.step or row_bytes
    data = np.frombuffer(_buffer(message.data), np.uint8)
    what = f"{message.width}x{message.height} {message.encoding} image"
    if step < row_bytes:
        raise ImageError(f"a {what} has rows of {row_bytes} bytes, but its step is {step}; check the camera driver")
    needed = step * (rows - 1) + row_bytes
    if data.size < needed:
        raise ImageError(
            f"a {what} with step {step} needs {needed} bytes, but has {data.size}; check the camera driver"
        )
    shape: Tuple[int, ...] = (rows, message.width, encoding.channels)
    strides: Tuple[int, ...] = (step, encoding.channels * dtype.itemsize, dtype.itemsize)
    if encoding.channels == 1:
        shape, strides = shape[:2], strides[:2]
    view: np.ndarray = np.ndarray(shape, dtype, data.data, 0, strides)
    return view


def _to_rgb(pixels: np.ndarray, encoding: Encoding) -> np.ndarray:
    if encoding.wide:
        pixels = (pixels >> 8).astype(np.uint8)
    if encoding.conversion is None:
        return pixels
    try:
        rgb: np.ndarray = cv2.cvtColor(np.ascontiguousarray(pixels), encoding.conversion)
    except cv2.error as error:
        raise ImageError(f"an image of shape {pixels.shape} can't be converted to RGB: {error}") from None
    return rgb


def _decompress(data: np.ndarray, size: Size) -> np.ndarray:
    check_cost(data.tobytes())
    try:
        image = cv2.imdecode(data, AS_STORED)
    except cv2.error as error:
        raise ImageError(f"a compressed image of {data.size} bytes can't be decoded: {error}") from None
    if image is None or image.shape[:2] != size:
        raise ImageError(f"a compressed image of {data.size} bytes is damaged; check the publisher")
    rgb: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def _buffer(data: Any) -> Any:
    return bytes(data) if isinstance(data, (list, tuple)) else data
