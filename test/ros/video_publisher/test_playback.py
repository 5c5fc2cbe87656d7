"""Sources of the video publisher: folders, loops, resampling."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from opendr_har_core.errors import VideoError
from opendr_har_core.frame import Frame
from opendr_har_ros.video_publisher.playback import frames_of, resample

SECOND = 1_000_000_000


def video(fps, count):
    return [Frame(np.full((2, 2, 3), index, np.uint8), round(index * SECOND / fps)) for index in range(count)]


def shown(frames):
    return [int(frame.rgb[0, 0, 0]) for frame in frames]


def test_a_lower_rate_skips_frames():
    frames = list(resample(video(30, 30), 10))
    assert shown(frames) == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]
    assert [frame.stamp_ns for frame in frames] == [index * SECOND // 10 for index in range(10)]


def test_a_higher_rate_repeats_frames():
    frames = list(resample(video(10, 4), 20))
    assert shown(frames) == [0, 0, 1, 1, 2, 2, 3]
    assert np.diff([frame.stamp_ns for frame in frames]).tolist() == [SECOND // 20] * 6


def test_the_same_rate_keeps_every_frame():
    assert shown(resample(video(30, 20), 30)) == list(range(20))


def test_a_folder_is_played_in_the_order_of_its_file_names(tmp_path):
    for name, value in (("b.png", 2), ("a.png", 1), ("c.PNG", 3)):
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), value, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".b.abcdefgh.part.png").touch()
    frames = list(frames_of(str(tmp_path), passes=2))
    assert shown(frames) == [1, 2, 3, 1, 2, 3]
    stamps = [frame.stamp_ns for frame in frames]
    assert stamps == sorted(set(stamps))


def test_a_folder_without_images_and_a_broken_image_are_video_errors(tmp_path):
    with pytest.raises(VideoError, match="has no images"):
        list(frames_of(str(tmp_path), passes=1))
    (tmp_path / "a.png").write_bytes(b"not a png")
    with pytest.raises(VideoError, match=r"a\.png can't be read"):
        list(frames_of(str(tmp_path), passes=1))
