"""Opening video files with FFmpeg, which would follow what is in them to other files, addresses and any size."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Union

import av

from opendr_har_core.errors import VideoError
from opendr_har_core.media.image_size import MAX_PIXELS

AV_ERROR: Any = getattr(av, "FFmpegError", None) or av.error.FFmpegError
FAILURES = (AV_ERROR, EOFError, MemoryError, OSError, OverflowError, ValueError, ZeroDivisionError)

# Kinds of files that hold frames. Playlists and scripts, which FFmpeg tells by their content whatever their name, hold
# the names of other files, and may be without end.
FORMATS = (
    "mov,matroska,avi,mpeg,mpegvideo,mpegts,m4v,h264,hevc,ivf,obu,flv,ogg,asf,gif,mjpeg,mxf,nut,dv,3gp,yuv4mpegpipe"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}


@contextmanager
def open_file(path: Union[str, Path]) -> Iterator[Any]:
    """(container, its first video stream) of a file, closed afterwards; raises VideoError where there is none."""
    if not Path(path).is_file():
        raise VideoError(f"there is no video file {path}")
    try:
        # An absolute path can't be taken for an address, which a name such as "concat:a" could.
        container = av.open(str(Path(path).absolute()), options=dict(OPTIONS))
    except FAILURES as error:
        raise VideoError(f"{path} can't be opened as video: {error}") from None
    with container:
        stream = first_video(container, path)
        check_size(stream, path)
        stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
        yield container, stream


def first_video(container: Any, source: Union[str, Path]) -> Any:
    """Its first video stream, decoded in several threads; raises VideoError where it has none."""
    if not container.streams.video:
        raise VideoError(f"{source} has no video in it, only {[stream.type for stream in container.streams]}")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{source} is coded in a way that this FFmpeg does not know; convert it")
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
    """Raise VideoError where a stream, or a frame, has more pixels than may be held."""
    width, height = picture.width or 0, picture.height or 0
    if width * height > MAX_PIXELS:
        raise VideoError(f"{source} has frames of {width}x{height} pixels, over the limit of {MAX_PIXELS}")
