"""Reads picture files, with their size checked before they are decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Union

import cv2
import numpy as np

from opendr_har_core.errors import ImageError
from opendr_har_core.media.image_size import HEAD_BYTES, MAX_PIXELS, check_cost, checked_size, picture_size
from opendr_har_core.storage.reading import read_regular

# Size of the largest uncompressed picture, in bytes.
LARGEST_FILE = 8 * MAX_PIXELS


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
