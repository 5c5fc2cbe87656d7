"""A copy of a video with its labels drawn into it, written while the video is labelled."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Iterator, Optional

import av
import numpy as np

from opendr_har_core.errors import VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.annotate import annotate
from opendr_har_core.media.containers import AV_ERROR
from opendr_har_core.media.video import VideoInfo
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

# The best that the build has: every build of FFmpeg has the last.
CODECS = ("libx264", "mpeg4")
OPTIONS = {"libx264": {"preset": "veryfast", "crf": "21"}}
BITS_PER_PIXEL = 0.4  # for a codec without a quality option
# Players know milliseconds, and so do MPEG-4's headers.
TICKS = 1000


@contextmanager
def annotated_copy(path: Path) -> Iterator[AnnotatedCopy]:
    """Write a copy atomically; frame times are kept, sound is not. Raises VideoError if it can't be written."""
    try:
        with atomic_path(path) as temporary:
            copy = AnnotatedCopy(path, temporary)
            try:
                yield copy
            except BaseException:
                with suppress(VideoError):
                    copy.close()
                raise
            copy.close()
    except OSError as error:
        raise VideoError(f"can't write the video {path}: {error}") from None


class AnnotatedCopy:
    """A video file that is being written; its methods raise VideoError."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self._path, self._temporary = path, temporary
        self._codec = best_codec()
        self._container: Any = None

    def start(self, info: VideoInfo) -> None:
        """Begin, or begin again with an empty file."""
        self.close()
        self._size, self._latest = (info.height, info.width), -1
        with self._named_errors():
            # The file is ours: FFmpeg would not close its own on a full disk.
            self._file = self._temporary.open("w+b")
            self._container = av.open(self._file, "w")
            rate = Fraction(info.fps).limit_denominator(1001)
            stream = self._container.add_stream(self._codec, rate=rate, options=OPTIONS.get(self._codec, {}))
            # The colours of four pixels share one value, so both sides have to be even.
            stream.height, stream.width = (side + side % 2 for side in self._size)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, TICKS)
            if self._codec not in OPTIONS:
                stream.bit_rate = round(stream.height * stream.width * info.fps * BITS_PER_PIXEL)
            self._stream = stream

    def write(self, frame: Frame, shown: Optional[Prediction]) -> None:
        """Add a frame with the newest labels, if any; stamps count from the beginning of the video."""
        if frame.size != self._size:
            raise VideoError(f"can't write the video {self._path}: frames change from {self._size} to {frame.size}")
        lines = [f"{frame.stamp_ns / NANOSECONDS:.1f} s", *([] if shown else ["warming up"])]
        self._latest = max(self._latest + 1, round(frame.stamp_ns * TICKS / NANOSECONDS))
        with self._named_errors():
            picture = av.VideoFrame.from_ndarray(_even(annotate(frame.rgb, shown, lines)), format="rgb24")
            picture.pts, picture.time_base = self._latest, Fraction(1, TICKS)
            self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what the encoder still holds."""
        container, self._container = self._container, None
        if container is not None:
            with self._named_errors(), self._file, container:
                container.mux(self._stream.encode())

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (AV_ERROR, OSError, ValueError) as error:
            raise VideoError(f"can't write the video {self._path}: {error}") from None


def best_codec() -> str:
    """The first of CODECS that this build of PyAV can write; raises VideoError if there is none."""
    for name in CODECS:
        with suppress(AV_ERROR, ValueError):
            av.Codec(name, "w")
            return name
    raise VideoError(f"this build of PyAV can write none of {CODECS}; install another one")


def _even(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(rgb)
    return np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
