"""The video publisher as a process: its images, its pace, its end, and files that are none."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from opendr_har_core.synth.scene import render_clip
from opendr_har_core.video import read_video, write_video

FRAMES = 30


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "film.mp4", render_clip("walking", 1.0, seed=1), 30.0)


def stamps_ns(images):
    return [image.header.stamp.sec * 10**9 + image.header.stamp.nanosec for image in images]


def played(start, client, **parameters):
    images = client.collect(Image, "/image_raw", QoSProfile(depth=1000))
    publisher = start("video_publisher", {"reliable": "true", "wait_for_subscribers": 1, **parameters})
    client.until(lambda: publisher.process.poll() is not None)
    client.spin(0.3)
    return publisher, images


def test_every_frame_of_the_file_arrives_as_it_is(start, client, video):
    publisher, images = played(start, client, video=video, stamps="source", frame_id="eye", rate=2.0)
    assert publisher.process.returncode == 0, publisher.output
    frames = list(read_video(video))
    assert len(images) == len(frames) == FRAMES
    for image, frame in zip(images, frames):
        assert (image.encoding, image.header.frame_id, image.step) == ("rgb8", "eye", 3 * image.width)
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
        assert np.array_equal(pixels, frame.rgb)
    assert stamps_ns(images) == [frame.stamp_ns + 10**9 for frame in frames]


def test_loops_have_rising_stamps_at_the_pace_of_the_film(start, client, video):
    _, images = played(start, client, video=video, loop=2)
    stamps = stamps_ns(images)
    assert len(stamps) == 2 * FRAMES
    assert (np.diff(stamps) > 0).all()
    assert (stamps[-1] - stamps[0]) / 1e9 == pytest.approx((2 * FRAMES - 1) / 30, rel=0.1)


def test_another_frame_rate_is_played_as_a_camera_of_that_rate(start, client, video):
    _, images = played(start, client, video=video, fps=10.0, stamps="source")
    assert np.diff(stamps_ns(images)).tolist() == [100_000_000] * 9


def test_it_stops_at_once_when_interrupted(start, client, video):
    images = client.collect(Image, "/image_raw", QoSProfile(depth=1000))
    publisher = start("video_publisher", {"video": video, "loop": 0, "reliable": "true"})
    client.until(lambda: len(images) > 5)
    assert publisher.interrupt() == 0
    assert "Traceback" not in publisher.output


def test_a_truncated_film_is_played_as_far_as_it_goes_and_then_named(start, client, tmp_path, video):
    cut = tmp_path / "cut.avi"
    whole = write_video(tmp_path / "whole.avi", render_clip("walking", 2.0, seed=1), 30.0)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    publisher, images = played(start, client, video=cut, rate=4.0)
    assert publisher.process.returncode == 1
    assert 5 < len(images) < 55
    assert f"after {len(images)} frames: {cut}" in publisher.output
    assert "Traceback" not in publisher.output


@pytest.mark.parametrize("kind", ["text", "missing", "empty", "no webcam"])
def test_what_is_no_video_is_named(kind, start, client, tmp_path):
    path = tmp_path / "film.mp4"
    if kind != "missing":
        path.write_text("only words\n" * (20 if kind == "text" else 0))
    video = "'77'" if kind == "no webcam" else path
    node = start("video_publisher", {"video": video})
    assert node.wait() == 1
    assert ("webcam 77" if kind == "no webcam" else str(path)) in node.output
    assert "Traceback" not in node.output


def test_a_missing_parameter_is_one_line_and_code_2(start):
    node = start("video_publisher")
    assert node.wait() == 2
    assert "parameter video is empty" in node.output
    assert "Traceback" not in node.output
