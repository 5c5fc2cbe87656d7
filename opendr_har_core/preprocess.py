"""A camera image into a network's input, uint8 all the way; standardisation is part of the network's graph."""

from __future__ import annotations

import cv2
import numpy as np


def to_network_input(rgb: np.ndarray, image_size: int) -> np.ndarray:
    """Centre square of a uint8 (H, W, 3) image, resized to (image_size, image_size, 3); always a new array.

    Equal to scaling the short side and then cropping, as in testing (X3D, section 4.1), but resizes only what is kept.
    """
    square = centre_square(rgb)
    side = square.shape[0]
    if side == image_size:
        return np.array(square, order="C")
    # Averaging over areas keeps fine texture from aliasing when an image shrinks.
    method = cv2.INTER_AREA if side > image_size else cv2.INTER_LINEAR
    resized: np.ndarray = cv2.resize(square, (image_size, image_size), interpolation=method)
    return resized


def centre_square(image: np.ndarray) -> np.ndarray:
    """The largest square in the middle of a (H, W, ...) image, as a view."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]
