"""sensor_msgs images into frames: the core's encodings, and what cv_bridge can where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.media.encodings import ENCODINGS, read_compressed, read_raw
from opendr_har_core.media.image_size import checked_size


def frame_from_image(message: Any, stamp_ns: int) -> LazyFrame:
    """A sensor_msgs/Image as a frame; its layout is checked here, its pixels are converted when first looked at.

    Raises ImageError for a size, row length, data length or encoding that can't be right.
    """
    if message.encoding in ENCODINGS:
        return read_raw(message, stamp_ns)
    return LazyFrame(stamp_ns, checked_size(message.height, message.width), lambda: _by_cv_bridge(message))


def frame_from_compressed(message: Any, stamp_ns: int) -> LazyFrame:
    """A sensor_msgs/CompressedImage (JPEG or PNG) as a frame; raises ImageError for anything else."""
    return read_compressed(message, stamp_ns)


def _by_cv_bridge(message: Any) -> np.ndarray:
    """Encodings that we don't read ourselves."""
    try:
        from cv_bridge import CvBridge
    except ImportError:
        known = ", ".join(sorted(ENCODINGS))
        raise ImageError(
            f"unknown image encoding {message.encoding!r}; without cv_bridge these work: {known}"
        ) from None
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # cv_bridge raises its own and OpenCV's and NumPy's errors
        raise ImageError(f"cv_bridge can't convert an image of encoding {message.encoding!r}: {error}") from None
