"""Conversion between sensor_msgs images and frames."""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.media.encodings import ENCODINGS, read_compressed, read_raw
from opendr_har_core.media.pictures import checked_size
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.common.qos import COMPRESSED


def frame_from_message(message: Any, transport: str, stamp_ns: int) -> LazyFrame:
    """Wrap an image message of `transport` "raw" (Image) or "compressed" (CompressedImage) in a lazy frame.

    The layout is checked here; pixels are converted on first access. Raises ImageError for an invalid message.
    """
    return read_compressed(message, stamp_ns) if transport == COMPRESSED else frame_from_image(message, stamp_ns)


def frame_from_image(message: Any, stamp_ns: int) -> LazyFrame:
    """Wrap a sensor_msgs/Image; cv_bridge converts encodings that the core does not know, where it is installed."""
    if message.encoding in ENCODINGS:
        return read_raw(message, stamp_ns)
    return LazyFrame(stamp_ns, checked_size(message.height, message.width), lambda: _by_cv_bridge(message))


def stamp_of(header: Any) -> int:
    """The header's stamp in nanoseconds."""
    return int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)


class ReusedImage:
    """An rgb8 message whose buffer is rewritten for each image; assigning a new buffer costs far more."""

    def __init__(self) -> None:
        self._message = Image(encoding="rgb8")

    def filled(self, rgb: np.ndarray, header: Any) -> Image:
        """Copy a uint8 (H, W, 3) image into the message and return it; the same object each time."""
        height, width = rgb.shape[:2]
        message = self._message
        if (message.height, message.width) != (height, width):
            message.height, message.width, message.step = height, width, 3 * width
            pixels = array.array("B")
            pixels.frombytes(bytes(3 * width * height))
            message.data = pixels
        np.frombuffer(message.data, np.uint8).reshape(rgb.shape)[:] = rgb
        message.header = header
        return message


def jpeg_message(rgb: np.ndarray, header: Any, quality: int) -> CompressedImage:
    """A uint8 (H, W, 3) image as JPEG; raises ImageError for one that JPEG can't represent."""
    try:
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        size = f"{rgb.shape[1]}x{rgb.shape[0]}"
        raise ImageError(f"an image of {size} pixels can't be encoded as JPEG: {error}") from None
    return CompressedImage(header=header, format="jpeg", data=array.array("B", jpeg.tobytes()))


def _by_cv_bridge(message: Any) -> np.ndarray:
    try:
        from cv_bridge import CvBridge
    except ImportError:
        known = ", ".join(sorted(ENCODINGS))
        raise ImageError(f"unknown image encoding {message.encoding!r}; supported without cv_bridge: {known}") from None
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # cv_bridge raises its own, OpenCV's and NumPy's exceptions
        raise ImageError(f"cv_bridge can't convert an image of encoding {message.encoding!r}: {error}") from None
