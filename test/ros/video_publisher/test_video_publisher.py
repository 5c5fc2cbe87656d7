"""The video publisher over DDS: its images, their timing, and exit codes."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification

from opendr_har_core import Recognizer
from opendr_har_core.media.encodings import read_compressed
from opendr_har_core.media.video import read_video, write_video
from opendr_har_core.synthetic.scene import render_clip

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


def test_every_frame_of_the_file_arrives_unchanged(start, client, video):
    publisher, images = played(start, client, video=video, stamps="source", frame_id="eye", rate=2.0)
    assert publisher.process.returncode == 0, publisher.output
    frames = list(read_video(video))
    assert len(images) == len(frames) == FRAMES
    for image, frame in zip(images, frames):
        assert (image.encoding, image.header.frame_id, image.step) == ("rgb8", "eye", 3 * image.width)
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
        assert np.array_equal(pixels, frame.rgb)
    assert stamps_ns(images) == [frame.stamp_ns + 10**9 for frame in frames]


@pytest.mark.slow
def test_both_transports_have_the_same_stamps(start, client, video):
    jpegs = client.collect(CompressedImage, "/image_raw/compressed", QoSProfile(depth=1000))
    given = {"video": video, "stamps": "source", "transport": "both", "frame_id": "eye", "wait_for_subscribers": 2}
    _, images = played(start, client, **given)
    client.until(lambda: len(jpegs) == len(images) == FRAMES)
    assert stamps_ns(jpegs) == stamps_ns(images)
    for jpeg, frame in zip(jpegs, read_video(video)):
        assert (jpeg.format, jpeg.header.frame_id) == ("jpeg", "eye")
        difference = read_compressed(jpeg, 0).rgb.astype(int) - frame.rgb
        assert abs(difference).mean() < 3  # swapped colours would be far more


@pytest.mark.slow
def test_a_lower_quality_makes_smaller_images(start, client, video):
    sizes = []
    for quality in (10, 95):
        jpegs = client.collect(CompressedImage, "/image_raw/compressed", QoSProfile(depth=1000))
        publisher, images = played_compressed(start, client, jpegs, video=video, jpeg_quality=quality, rate=4.0)
        assert publisher.process.returncode == 0, publisher.output
        assert images == []
        sizes.append(sum(len(jpeg.data) for jpeg in jpegs[:FRAMES]))
    assert sizes[0] < sizes[1] / 2


def played_compressed(start, client, jpegs, **parameters):
    """Like `played`, for compressed images."""
    images = client.collect(Image, "/image_raw", QoSProfile(depth=1000))
    given = {"reliable": "true", "transport": "compressed", "wait_for_subscribers": 1, **parameters}
    publisher = start("video_publisher", given)
    client.until(lambda: publisher.process.poll() is not None)
    client.until(lambda: len(jpegs) >= FRAMES)
    return publisher, images


@pytest.mark.slow
def test_a_recognizer_labels_its_compressed_images(start, client, tmp_path):
    film = write_video(tmp_path / "film.mp4", render_clip("raising both arms", 4.0, 10.0, seed=11), 10.0)
    jpegs = client.collect(CompressedImage, "/image_raw/compressed", QoSProfile(depth=1000))
    labels = client.collect(Classification, "/recognizer/classification", QoSProfile(depth=1000))
    start("recognizer", {"transport": "compressed", "image_qos": "reliable"})
    client.until(lambda: client.node.count_subscribers("/image_raw/compressed") == 2)
    client.spin(0.5)
    given = {"video": film, "transport": "compressed", "stamps": "source", "reliable": "true"}
    publisher = start("video_publisher", {**given, "wait_for_subscribers": 2})
    client.until(lambda: publisher.process.poll() is not None)
    assert publisher.process.returncode == 0, publisher.output
    stream = Recognizer.open("default").stream()
    expected = [p for p in map(stream.push, map(read_compressed, jpegs, stamps_ns(jpegs))) if p]
    client.until(lambda: len(labels) >= len(expected))
    assert len(expected) >= 5
    found = [(stamp, label.results[0].class_id) for stamp, label in zip(stamps_ns(labels), labels)]
    assert found == [(prediction.stamp_ns, prediction.label) for prediction in expected]
    assert found[-1][1] == "raising both arms"


class MotionJpeg(BaseHTTPRequestHandler):
    """A network camera that ends each connection after ten images."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=frame")
        self.end_headers()
        for frame in render_clip("walking", 1.0, 10.0, seed=1):
            jpeg = cv2.imencode(".jpg", frame.rgb[..., ::-1])[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(0.02)

    def log_message(self, *_):
        pass


def test_a_network_camera_is_connected_to_again_and_its_password_not_logged(start, client):
    images = client.collect(Image, "/image_raw", QoSProfile(depth=1000))
    with ThreadingHTTPServer(("127.0.0.1", 0), MotionJpeg) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://user:secret@127.0.0.1:{server.server_port}/stream"
        publisher = start("video_publisher", {"video": url, "reliable": "true"})
        client.until(lambda: len(images) > 25, what="images of three connections")
        server.shutdown()
    publisher.wait_for_output("connecting again every 1 s")
    client.until(lambda: "can't be opened as video" in publisher.output or publisher.output.count("again") > 1)
    first = next(render_clip("walking", 1.0, 10.0, seed=1))
    assert (images[0].height, images[0].width) == first.size
    assert (np.diff(stamps_ns(images)) > 0).all()
    assert publisher.interrupt() == 0
    assert "secret" not in publisher.output


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"transport": "theora"}, "transport is 'theora', expected one of"),
        ({"video": "''"}, "parameter video is empty"),
    ],
)
def test_an_invalid_parameter_is_reported_in_one_line_with_exit_code_2(start, parameters, message):
    node = start("video_publisher", parameters)
    assert node.wait() == 2
    assert message in node.output


def test_stamps_increase_over_loops_at_the_videos_rate(start, client, video):
    _, images = played(start, client, video=video, loop=2)
    stamps = stamps_ns(images)
    assert len(stamps) == 2 * FRAMES
    assert (np.diff(stamps) > 0).all()
    assert (stamps[-1] - stamps[0]) / 1e9 == pytest.approx((2 * FRAMES - 1) / 30, rel=0.1)


@pytest.mark.slow
def test_the_video_is_resampled_to_another_frame_rate(start, client, video):
    _, images = played(start, client, video=video, fps=10.0, stamps="source")
    assert np.diff(stamps_ns(images)).tolist() == [100_000_000] * 9


def test_a_signal_ends_it_at_once(start, client, video):
    images = client.collect(Image, "/image_raw", QoSProfile(depth=1000))
    publisher = start("video_publisher", {"video": video, "loop": 0, "reliable": "true"})
    client.until(lambda: len(images) > 5)
    assert publisher.interrupt() == 0


def test_a_truncated_video_is_played_up_to_its_defect(start, client, tmp_path, video):
    cut = tmp_path / "cut.avi"
    whole = write_video(tmp_path / "whole.avi", render_clip("walking", 2.0, seed=1), 30.0)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    publisher, images = played(start, client, video=cut, rate=4.0)
    assert publisher.process.returncode == 1
    assert 5 < len(images) < 55
    assert f"after {len(images)} frames: {cut}" in publisher.output


@pytest.mark.parametrize(
    "kind", ["missing", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("text", "empty", "no webcam"))]
)
def test_a_source_that_cannot_be_read_is_exit_code_1(kind, start, client, tmp_path):
    path = tmp_path / "film.mp4"
    if kind != "missing":
        path.write_text("only words\n" * (20 if kind == "text" else 0))
    video = "'77'" if kind == "no webcam" else path
    node = start("video_publisher", {"video": video})
    assert node.wait() == 1
    assert ("webcam 77" if kind == "no webcam" else str(path)) in node.output
