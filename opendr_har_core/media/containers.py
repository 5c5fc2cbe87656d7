"""Opens video files with FFmpeg, without following references to other files or addresses, and with limits."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Union

import av

from opendr_har_core.errors import VideoError
from opendr_har_core.media.image_size import MAX_PIXELS

AV_ERROR: Any = getattr(av, "FFmpegError", None) or av.error.FFmpegError
FAILURES = (AV_ERROR, EOFError, MemoryError, OSError, OverflowError, ValueError, ZeroDivisionError)

# Formats that contain frames. Playlists and scripts, which FFmpeg recognizes by their content, refer to other files and
# can be endless.
FORMATS = (
    "mov,matroska,avi,mpeg,mpegvideo,mpegts,m4v,h264,hevc,ivf,obu,flv,ogg,asf,gif,mjpeg,mxf,nut,dv,3gp,yuv4mpegpipe"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}


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
        stream = first_video(container, path)
        check_size(stream, path)
        stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
        yield container, stream


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
        raise VideoError(f"{source} has no frame that can be decoded: {error}; check that it plays") from None
    if picture is None:
        raise VideoError(f"{source} has no frame that can be decoded; check that it plays")
    return picture


def check_size(picture: Any, source: Union[str, Path]) -> None:
    """Raise VideoError if a stream or frame has more than MAX_PIXELS pixels."""
    width, height = picture.width or 0, picture.height or 0
    if width * height > MAX_PIXELS:
        raise VideoError(f"{source} has frames of {width}x{height} pixels, over the limit of {MAX_PIXELS}")
