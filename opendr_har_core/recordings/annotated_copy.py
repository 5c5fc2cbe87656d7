"""A copy of a video with its labels drawn into it, written while the video is labelled."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

import numpy as np

from opendr_har_core.frame import Frame
from opendr_har_core.media.annotate import annotate
from opendr_har_core.media.video import VideoInfo, VideoWriter, best_codec, video_writer
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS


@contextmanager
def annotated_copy(path: Path) -> Iterator[AnnotatedCopy]:
    """Write a copy atomically; frame times are kept, sound is not. Raises VideoError if it can't be written."""
    with video_writer(path) as writer:
        yield AnnotatedCopy(writer)


class AnnotatedCopy:
    """A video file that is being written; its methods raise VideoError."""

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer

    def start(self, info: VideoInfo) -> None:
        """Begin."""
        # The colours of four pixels share one value, so both sides have to be even.
        size = info.height + info.height % 2, info.width + info.width % 2
        self._writer.start(size, info.fps, best_codec(), at_stamps=True)

    def write(self, frame: Frame, shown: Optional[Prediction]) -> None:
        """Add a frame with the newest labels, if any; stamps count from the beginning of the video."""
        lines = [f"{frame.stamp_ns / NANOSECONDS:.1f} s", *([] if shown else ["warming up"])]
        rgb, (height, width) = annotate(frame.rgb, shown, lines), frame.size
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        self._writer.write(Frame(rgb, frame.stamp_ns))
