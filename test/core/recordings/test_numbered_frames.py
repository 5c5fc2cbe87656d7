"""Frames of videos and bags by their number, compared with reading from beginning to end."""

from __future__ import annotations

import signal
import threading
from itertools import islice

import av
import numpy as np
import pytest

pytest.importorskip("rosbags")
from bag_cases import FRAMES, START, write_bag
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from opendr_har_core.errors import VideoError
from opendr_har_core.media.video import read_video, write_video
from opendr_har_core.recordings.bag_reader import ImageTopic, Unreadable
from opendr_har_core.recordings.label_video import open_recording
from opendr_har_core.recordings.numbered_frames import NumberedFrames


def mp4(path, options="keyint=20:bframes=3:open-gop=1"):
    """H.264 whose frames are stored in another order than they are shown."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"x264-params": options})
        stream.height, stream.width = FRAMES[0].size
        stream.pix_fmt = "yuv420p"
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
        container.mux(stream.encode())
    return path


RECORDINGS = {
    "mp4": lambda folder: mp4(folder / "clip.mp4"),
    "mkv": lambda folder: mp4(folder / "clip.mkv"),
    "avi": lambda folder: write_video(folder / "clip.avi", FRAMES, 10.0),
    "h264 without times": lambda folder: mp4(folder / "clip.h264"),
    "sqlite3": lambda folder: write_bag(folder / "bag"),
    "mcap": lambda folder: write_bag(folder / "bag", StoragePlugin.MCAP, compressed=True),
    "zstd": lambda folder: write_bag(folder / "bag", squeezed=CompressionMode.MESSAGE),
}


@pytest.fixture
def opened():
    """Open recordings, and close them."""
    found = []

    def open_frames(path):
        found.append(NumberedFrames(path))
        return found[-1]

    yield open_frames
    for frames in found:
        frames.close()


def compare(frames, path, numbers):
    with open_recording(path, None, Unreadable()) as video:
        expected, step_ns = list(video.frames), round(1e9 / video.info.fps)
    assert frames.times_ns == [frame.stamp_ns - expected[0].stamp_ns for frame in expected]
    assert frames.duration_ns == frames.times_ns[-1] + step_ns
    for number in numbers(len(expected)):
        found = frames.read(number)
        assert found.stamp_ns == frames.times_ns[number]
        assert np.array_equal(found.rgb, expected[number].rgb), number


def in_any_order(count):
    return [*np.random.default_rng(0).integers(count, size=25), *range(count - 1, count - 25, -1), *range(25)]


@pytest.mark.parametrize("kind", RECORDINGS)
def test_any_frame_is_that_of_reading_from_the_beginning(opened, tmp_path, kind):
    path = RECORDINGS[kind](tmp_path)
    compare(opened(path), path, in_any_order)


@pytest.mark.parametrize(
    "name", ["gestures_rgb/PS7A1P1T1.avi", "formats/rotated_90.mov", "formats/unordered_stamps.mov"]
)
def test_real_files(opened, shared, name):
    path = shared / "videos" / name
    compare(opened(path), path, lambda count: [count - 1, 0, count // 2, count // 2 - 1])


def test_images_that_cannot_be_read_have_no_number(opened, tmp_path):
    def spoil(message, index):
        message.encoding = "nonsense" if index in (0, 30) else message.encoding
        if index == 20:
            message.header.stamp.sec -= 1  # earlier than the one before

    frames = opened(write_bag(tmp_path / "bag", change=spoil))
    assert len(frames.times_ns) == len(FRAMES) - 3
    kept = [frame for index, frame in enumerate(FRAMES) if index not in (0, 20, 30)]
    assert frames.times_ns == [frame.stamp_ns - START - 100_000_000 for frame in kept]
    assert np.array_equal(frames.read(25).rgb, kept[25].rgb)


def test_ctrl_c_ends_the_indexing_of_a_large_bag(tmp_path, monkeypatch):
    real, most, seen = ImageTopic.images, 100_000, []

    def very_many(topic, *span):
        (image,) = islice(real(topic, *span), 1)
        for _ in range(most):
            seen.append(image)
            if len(seen) == 50:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            yield image

    monkeypatch.setattr(ImageTopic, "images", very_many)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background processes ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            NumberedFrames(write_bag(tmp_path / "bag"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(seen) < most


def test_what_is_not_there_is_an_error(opened, tmp_path):
    path = RECORDINGS["avi"](tmp_path)
    for number in (-1, len(FRAMES)):
        with pytest.raises(VideoError, match="0 to 59"):
            opened(path).read(number)
    with pytest.raises(VideoError, match="no video file"):
        NumberedFrames(tmp_path / "missing.mp4")
    assert len(list(read_video(path))) == 60
    with pytest.raises(VideoError, match=r"is no bag, it has no metadata\.yaml"):
        NumberedFrames(tmp_path)
    (tmp_path / "old.BAG").touch()
    with pytest.raises(VideoError, match="ROS 1 bag; convert it"):
        NumberedFrames(tmp_path / "old.BAG")
