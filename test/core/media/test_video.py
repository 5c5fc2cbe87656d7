"""Video files: frame times, loops, orientation and damaged files."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest

from opendr_har_core.errors import VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import loop_frames, probe, read_video, write_video


def moving_bar(count, size=(48, 64)):
    """Frames with a bar that moves, so that order shows."""
    for index in range(count):
        rgb = np.zeros((*size, 3), np.uint8)
        rgb[:, index % size[1] : index % size[1] + 8] = (250, 120, 30)
        yield Frame(rgb, index)


@pytest.fixture(params=[".mp4", ".avi", ".mkv"])
def video(request, tmp_path):
    return write_video(tmp_path / f"clip{request.param}", moving_bar(60), 30)


def read_until_it_breaks(path):
    frames = []
    with pytest.raises(VideoError) as failure:
        for frame in read_video(path):
            frames.append(frame)
    return len(frames), str(failure.value)


def test_a_written_video_is_read_back_with_its_times_and_colours(video):
    frames = list(read_video(video))
    assert len(frames) == 60
    assert frames[0].stamp_ns == 0
    assert np.diff([frame.stamp_ns for frame in frames]) == pytest.approx(1e9 / 30, rel=0.04)
    assert np.abs(frames[30].rgb[20, 34].astype(int) - (250, 120, 30)).max() < 25
    info = probe(video)
    assert (info.width, info.height, round(info.fps)) == (64, 48, 30)


def test_a_file_on_a_web_server_is_read_as_the_file_and_a_failing_address_is_an_error_without_its_password(video):
    handler = partial(SimpleHTTPRequestHandler, directory=video.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://user:secret@127.0.0.1:{server.server_port}"
        frames = list(read_video(f"{address}/{video.name}"))
        with pytest.raises(VideoError, match="can't be opened as video") as failure:
            next(read_video(f"{address}/missing.mp4"))
        server.shutdown()
    assert [frame.stamp_ns for frame in frames] == [frame.stamp_ns for frame in read_video(video)]
    assert "secret" not in str(failure.value)


def test_stamps_keep_rising_in_a_loop(video):
    stamps = [frame.stamp_ns for frame in loop_frames(video, 3)]
    assert len(stamps) == 180
    assert np.diff(stamps) == pytest.approx(1e9 / 30, rel=0.04)


def test_frames_stored_out_of_order_are_read_in_order(shared):
    path = shared / "videos" / "formats" / "unordered_stamps.mov"
    with av.open(str(path)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stored != sorted(stored)
    interval = 10**9 // 32
    assert [frame.stamp_ns for frame in read_video(path)] == [0, interval, 2 * interval, 3 * interval]
    assert [frame.stamp_ns for frame in loop_frames(path, 2)] == [index * interval for index in range(8)]


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_truncated_video_yields_its_frames_and_then_an_error(tmp_path, suffix):
    whole = write_video(tmp_path / f"whole{suffix}", moving_bar(90), 30)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 5])
    count, message = read_until_it_breaks(cut)
    assert 5 < count < 80
    assert f"cut{suffix} is incomplete" in message or f"cut{suffix} breaks off" in message


@pytest.mark.parametrize("content", [b"", b"just some text\n" * 100])
def test_a_file_that_is_not_a_video_is_refused(tmp_path, content):
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    count, message = read_until_it_breaks(path)
    assert count == 0
    assert "text.mp4 can't be opened as video" in message


def test_nothing_is_written_when_the_frames_do_not_fit(tmp_path):
    def growing():
        yield from moving_bar(3)
        yield from moving_bar(1, size=(96, 128))

    with pytest.raises(VideoError, match="can't be in one video"):
        write_video(tmp_path / "clip.mp4", growing(), 30)
    with pytest.raises(VideoError, match="no frames"):
        write_video(tmp_path / "clip.mp4", [], 30)
    assert list(tmp_path.iterdir()) == []


def as_shown(stored, matrix):
    """The picture after a display matrix."""
    a, b, c, d = matrix
    y, x = np.indices(stored.shape[:2])
    columns, rows = a * x + c * y, b * x + d * y
    columns, rows = columns - columns.min(), rows - rows.min()
    picture = np.empty((rows.max() + 1, columns.max() + 1, 3), np.uint8)
    picture[rows, columns] = stored
    return picture


def check_is_upright(path, expected):
    frames = list(read_video(path))
    assert frames
    for frame, picture in zip(frames, expected):
        assert np.array_equal(frame.rgb, picture)
        assert frame.rgb.flags.c_contiguous
    assert (probe(path).height, probe(path).width) == frames[0].size


@pytest.mark.parametrize("lies", [False, True])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_a_turned_or_mirrored_video_is_read_upright(tmp_path, set_display_matrix, lies, signs):
    path = write_video(tmp_path / "phone.mp4", moving_bar(3, size=(48, 72)), 30)
    stored = [frame.rgb for frame in read_video(path)]
    one, other = signs
    matrix = (0, one, other, 0) if lies else (one, 0, 0, other)
    set_display_matrix(path, matrix)
    check_is_upright(path, [as_shown(rgb, matrix) for rgb in stored])


# The files show a keyboard whose letters stand upright after this many quarter turns to the left.
@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, -1), (180, 2), (270, 1)])
def test_real_videos_are_read_upright(shared, degrees, turns):
    path = shared / "videos" / "formats" / f"rotated_{degrees}.mov"
    with av.open(str(path)) as container:
        stored = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    check_is_upright(path, [np.rot90(rgb, turns) for rgb in stored])
