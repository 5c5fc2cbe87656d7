"""Pixels as an image message."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from sensor_msgs.msg import Image


class ReusedImage:
    """One rgb8 message whose buffer is written again and again; assigning a new one each time costs far more."""

    def __init__(self) -> None:
        self._message = Image(encoding="rgb8")

    def filled(self, rgb: np.ndarray, header: Any) -> Image:
        """The message with the pixels of a uint8 (H, W, 3) image; the same one each time."""
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
