"""Opens video files with FFmpeg, without following references to other files or addresses, and with limits.

Phones store frames as the sensor sees them, with a display matrix that says how to rotate or mirror them.
"""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Tuple, Union

import av
import cv2
import numpy as np

from opendr_har_core.errors import VideoError
from opendr_har_core.media.pictures import MAX_PIXELS

AV_ERROR: Any = getattr(av, "FFmpegError", None) or av.error.FFmpegError
FAILURES = (AV_ERROR, EOFError, MemoryError, OSError, OverflowError, ValueError, ZeroDivisionError)

# Formats that contain frames. Playlists and scripts, which FFmpeg recognizes by their content, refer to other files and
# can be endless.
FORMATS = (
    "mov,matroska,avi,mpeg,mpegvideo,mpegts,m4v,h264,hevc,ivf,obu,flv,ogg,asf,gif,mjpeg,mxf,nut,dv,3gp,yuv4mpegpipe"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}


# Of cameras and servers in a network. Without "file": a playlist from there must not read files of this machine.
NETWORK_OPTIONS = {
    **OPTIONS,
    "format_whitelist": f"{FORMATS},rtsp,rtp,sdp,mpjpeg,hls",
    "protocol_whitelist": "rtsp,rtsps,rtp,rtmp,srt,udp,tcp,tls,http,https,httpproxy,crypto",
    "rtsp_transport": "tcp",
}
# For the connection, and for each packet afterwards.
NETWORK_SEC = 5.0


def without_password(text: str) -> str:
    """A text without the users and passwords of the addresses in it, with which FFmpeg's errors end."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def _checked_video(container: Any, name: Union[str, Path]) -> Any:
    """The first video stream, whose frames are limited in size."""
    stream = first_video(container, name)
    check_size(stream, name)
    stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
    return stream


@contextmanager
def open_address(url: str, name: str) -> Iterator[Any]:
    """Yield (container, first video stream) of an address, called `name` in errors; raises VideoError."""
    try:
        container = av.open(url, options=dict(NETWORK_OPTIONS), timeout=(NETWORK_SEC, NETWORK_SEC))
    except FAILURES as error:
        raise VideoError(f"{name} can't be opened as video: {without_password(str(error))}") from None
    with container:
        stream = _checked_video(container, name)
        stream.thread_type = "SLICE"  # threads for several frames would delay each by their number
        yield container, stream


@contextmanager
def open_file(path: Union[str, Path]) -> Iterator[Any]:
    """Yield (container, first video stream) of a file and close it afterwards; raises VideoError."""
    if not Path(path).is_file():
        raise VideoError(f"there is no video file {path}")
    try:
        # An absolute path is never an address, unlike a name such as "concat:a".
        container = av.open(str(Path(path).absolute()), options=dict(OPTIONS))
    except FAILURES as error:
        raise VideoError(f"{path} can't be opened as video: {error}") from None
    with container:
        yield container, _checked_video(container, path)


def first_video(container: Any, source: Union[str, Path]) -> Any:
    """The first video stream, set to be decoded in several threads; raises VideoError if there is none."""
    if not container.streams.video:
        raise VideoError(f"{source} has no video in it, only {[stream.type for stream in container.streams]}")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{source} uses a codec that this FFmpeg lacks; convert it")
    stream.thread_type = "AUTO"
    return stream


def first_picture(pictures: Iterator[Any], source: Union[str, Path]) -> Any:
    """The first decoded frame; raises VideoError if there is none."""
    try:
        picture = next(pictures, None)
    except FAILURES as error:
        raise VideoError(
            f"{source} has no frame that can be decoded: {without_password(str(error))}; check that it plays"
        ) from None
    if picture is None:
        raise VideoError(f"{source} has no frame that can be decoded; check that it plays")
    return picture


def check_size(picture: Any, source: Union[str, Path]) -> None:
    """Raise VideoError if a stream or frame has more than MAX_PIXELS pixels."""
    width, height = picture.width or 0, picture.height or 0
    if width * height > MAX_PIXELS:
        raise VideoError(f"{source} has frames of {width}x{height} pixels, over the limit of {MAX_PIXELS}")


@dataclass(frozen=True)
class Orientation:
    """Transformation of stored frames to upright ones.

    Attributes:
        swapped: whether rows and columns are swapped, before anything is mirrored.
        mirrored_x, mirrored_y: whether left and right, and top and bottom, are swapped.
    """

    swapped: bool
    mirrored_x: bool
    mirrored_y: bool

    @classmethod
    def of(cls, picture: Any) -> Orientation:
        """The orientation of a PyAV frame, to the nearest quarter turn."""
        a, b, c, d = _display_matrix(picture)
        if abs(b) > abs(a):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def upright(self, picture: Any) -> np.ndarray:
        """A PyAV frame as players show it: uint8 (height, width, 3) RGB, C-contiguous."""
        rgb = picture.to_ndarray(format="rgb24")
        if self.swapped:
            rgb = cv2.transpose(rgb)
        if self.mirrored_x or self.mirrored_y:
            rgb = cv2.flip(rgb, -1 if self.mirrored_x and self.mirrored_y else int(self.mirrored_x))
        return np.ascontiguousarray(rgb)

    def size(self, picture: Any) -> Tuple[int, int]:
        """(height, width) of `upright(picture)`."""
        return (picture.width, picture.height) if self.swapped else (picture.height, picture.width)


def _display_matrix(picture: Any) -> Tuple[float, float, float, float]:
    """(a, b, c, d): column x and row y of a stored pixel are shown at (a x + c y, b x + d y), plus an offset."""
    # Access to side data creates a reference cycle, so use a small copy of the frame.
    small = picture.reformat(width=16, height=16, format="rgb24")
    try:
        content = small.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV 14 to 18 fail on side data of unknown type, such as Exif data or the view of a stereo video.
        # They know the angle, but not whether the picture is mirrored.
        angle = math.radians(getattr(picture, "rotation", 0))
        return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    if content is None:
        return 1, 0, 0, 1
    # 3 x 3 numbers of 32 bits in native byte order; the third column is perspective, the third row the offset.
    a, b, _, c, d = np.frombuffer(content, np.int32, 5).tolist()
    return a, b, c, d
