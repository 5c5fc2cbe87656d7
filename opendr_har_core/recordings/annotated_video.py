"""A copy of a video with its labels drawn into it."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Tuple

import av
import numpy as np

from opendr_har_core.errors import VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.annotate import annotate
from opendr_har_core.media.containers import AV_ERROR
from opendr_har_core.media.video import probe, read_video, writing
from opendr_har_core.prediction import Prediction
from opendr_har_core.recordings.records import VideoLabels
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

# The best that the build has: every build of FFmpeg has the last.
CODECS = ("libx264", "mpeg4")
OPTIONS = {"libx264": {"preset": "veryfast", "crf": "21"}}
BITS_PER_PIXEL = 0.4  # for a codec that wants to be told how much
# Players know milliseconds, and so do MPEG-4's headers.
TICKS = 1000
OnFrame = Callable[[int, Optional[int]], None]


def write_annotated(labels: VideoLabels, path: Path, on_frame: Optional[OnFrame] = None) -> str:
    """Write the video with its labels, frame times as they were, without sound; returns the codec's name.

    The file appears whole or not at all. Raises VideoError where it can't be written, or the video changes its size.
    """
    codec = best_codec()
    info = probe(labels.path)
    frames = _counted(read_video(labels.path), info.frames, on_frame)
    try:
        with atomic_path(path) as temporary, writing(temporary) as container:
            _encode(container, codec, Fraction(info.fps).limit_denominator(1001), frames, labels)
    except (AV_ERROR, OSError, ValueError) as error:
        raise VideoError(f"can't write the video {path}: {error}") from None
    return codec


def best_codec() -> str:
    """The first of CODECS that this build of PyAV can write; raises VideoError where there is none."""
    for name in CODECS:
        with suppress(AV_ERROR, ValueError):
            av.Codec(name, "w")
            return name
    raise VideoError(f"this build of PyAV can write none of {CODECS}; install another one")


def _encode(container: Any, codec: str, rate: Fraction, frames: Iterator[Frame], labels: VideoLabels) -> None:
    stream = container.add_stream(codec, rate=rate, options=OPTIONS.get(codec, {}))
    first: Optional[Tuple[int, int]] = None
    latest = -1
    for frame, sample in _with_samples(frames, labels):
        if first is None:
            first = frame.size
            # The colours of four pixels share one value, so both sides have to be even.
            stream.height, stream.width = (side + side % 2 for side in first)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, TICKS)
            if codec not in OPTIONS:
                stream.bit_rate = round(stream.height * stream.width * float(rate) * BITS_PER_PIXEL)
        if frame.size != first:
            raise VideoError(f"{labels.path} changes its size from {first} to {frame.size}, which one file can't hold")
        latest = max(latest + 1, round(frame.stamp_ns * TICKS / NANOSECONDS))
        picture = av.VideoFrame.from_ndarray(_even(_drawn(frame, sample, labels)), format="rgb24")
        picture.pts, picture.time_base = latest, Fraction(1, TICKS)
        container.mux(stream.encode(picture))
    container.mux(stream.encode())


def _with_samples(frames: Iterator[Frame], labels: VideoLabels) -> Iterator[Tuple[Frame, Optional[Prediction]]]:
    """Each frame with the newest sample at its time."""
    upcoming = iter(labels.samples)
    current, coming = None, next(upcoming, None)
    for frame in frames:
        while coming is not None and coming.stamp_ns <= frame.stamp_ns:
            current, coming = coming, next(upcoming, None)
        yield frame, current


def _drawn(frame: Frame, sample: Optional[Prediction], labels: VideoLabels) -> np.ndarray:
    lines = [f"{frame.stamp_ns / NANOSECONDS:.1f} s"]
    if sample is None:
        lines.append(f"first label at {labels.first_label_sec:.1f} s")
    return annotate(frame.rgb, sample, lines)


def _even(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(rgb)
    return np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _counted(frames: Iterator[Frame], total: Optional[int], on_frame: Optional[OnFrame]) -> Iterator[Frame]:
    for count, frame in enumerate(frames, start=1):
        yield frame
        if on_frame is not None:
            on_frame(count, total)
