"""Frames of a video file, a folder of images or a webcam, independent of ROS."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Iterable, Iterator, Optional

import cv2

from opendr_har_core.errors import ImageError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.pictures import read_picture
from opendr_har_core.media.video import is_camera, loop_frames, read_video
from opendr_har_core.spec import NANOSECONDS

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
FOLDER_FPS = 30


def frames_of(source: str, passes: Optional[int]) -> Iterator[Frame]:
    """Frames of `source`; files and folders (30 Hz) are played `passes` times, None: indefinitely.

    Stamps increase from pass to pass.
    """
    if is_camera(source):
        return read_video(source)
    if Path(source).is_dir():
        return _folder_frames(Path(source), passes)
    return loop_frames(source, passes)


def resample(frames: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """Resample to a constant `fps` by time: frames are skipped or repeated."""
    interval = NANOSECONDS / fps
    ticks = (round(index * interval) for index in count())
    tick = next(ticks)
    current: Optional[Frame] = None
    for frame in frames:
        while current is not None and tick < frame.stamp_ns:
            yield Frame(current.rgb, tick)
            tick = next(ticks)
        current = frame
    if current is not None and tick <= current.stamp_ns:
        yield Frame(current.rgb, tick)


def _folder_frames(folder: Path, passes: Optional[int]) -> Iterator[Frame]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".")
    if not paths:
        raise VideoError(f"the folder {folder} has no images, expected files ending in {', '.join(IMAGE_SUFFIXES)}")
    for index in count():
        if passes is not None and index >= passes * len(paths):
            return
        path = paths[index % len(paths)]
        try:
            image = read_picture(path)
        except ImageError as error:
            raise VideoError(f"{path} can't be read as an image: {error}") from None
        yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), round(index * NANOSECONDS / FOLDER_FPS))
