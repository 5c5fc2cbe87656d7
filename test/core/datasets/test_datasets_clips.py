"""Selection of frames by time, compared with decoding the whole video."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import dataset_cases as cases

from opendr_har_core.datasets.clips import ClipSpec, nearest
from opendr_har_core.datasets.video_file import open_video
from opendr_har_core.errors import ConfigError, VideoError
from opendr_har_core.media.video import read_video

REAL = ("labelled/archery.mp4", "labelled/shooting_basketball.avi")
ODD_STAMPS = ("gestures_rgb/PS7A1P1T1.avi", "labelled/crawling_baby.avi")


def read_clip(video, start_sec, clip):
    times = start_sec + clip.seconds(np.arange(clip.frames) * clip.stride)
    return np.stack(list(video.frames(times.tolist())))


def expected(path, times):
    """The nearest frames, by decoding everything."""
    frames = list(read_video(path))
    stamps = np.array([frame.stamp_ns for frame in frames]) / 1e9
    return np.stack([frames[index].rgb for index in nearest(stamps, times)])


@pytest.mark.parametrize("name", REAL + ODD_STAMPS)
def test_seeking_gives_the_frames_of_decoding_everything(shared, name):
    path = shared / "videos" / name
    video = open_video(path)
    start = 0.6 * video.duration_sec
    times = [start + offset for offset in (0.0, 0.21, 0.4, 0.77)]
    assert np.array_equal(np.stack(list(video.frames(times))), expected(path, times))


def test_decoding_starts_at_the_keyframe(shared, monkeypatch):
    """high_jump.mp4 has a keyframe every 60 frames."""
    video = open_video(shared / "videos" / "labelled" / "high_jump.mp4")
    decoded = []
    timed = type(video)._timed

    def counted(self, *arguments):
        for item in timed(self, *arguments):
            decoded.append(item[0])
            yield item

    monkeypatch.setattr(type(video), "_timed", counted)
    list(video.frames([6.5, 6.7]))
    assert decoded[0] == pytest.approx(6.0, abs=0.02)
    assert len(decoded) < 30


def test_a_clip_does_not_depend_on_the_frame_rate(tmp_path):
    """The same motion filmed at 15, 30 and 60 Hz gives the same clip, except for compression."""
    clips = []
    for fps in (15.0, 30.0, 60.0):
        video = open_video(cases.draw(tmp_path / f"{fps}.avi", seconds=2.0, fps=fps, seed=3))
        clips.append(read_clip(video, 0.2, ClipSpec(4, 12, 30.0, 48)).astype(int))
    later = read_clip(video, 0.5, ClipSpec(4, 12, 30.0, 48)).astype(int)
    assert max(np.abs(clip - clips[1]).mean() for clip in clips) < 0.5 * np.abs(later - clips[1]).mean()


def test_starts_of_clips():
    clip = ClipSpec(frames=4, stride=10, train_fps=30.0, image_size=48)
    assert clip.last_start(2.0) == 29  # frames 29, 39, 49, 59 of 60
    assert clip.middle_start(2.0) == 14
    assert clip.last_start(2.0, step=8) == 24
    assert clip.last_start(0.5) == 0
    assert clip.is_longer_than(1.0)
    assert not clip.is_longer_than(31 / 30)
    assert clip.ticks(5, 2.0).tolist() == [5, 15, 25, 35]
    assert clip.ticks(0, 0.5).tolist() == [0, 10, 14, 14]


@pytest.mark.parametrize("field", ["frames", "stride", "image_size", "train_fps"])
def test_a_clip_spec_refuses_zero(field):
    values = {"frames": 4, "stride": 6, "image_size": 48, "train_fps": 30.0, field: 0}
    with pytest.raises(ConfigError, match=field):
        ClipSpec(**values)


def test_a_phone_video_is_read_upright(tmp_path, set_display_matrix):
    path = set_display_matrix(cases.draw(tmp_path / "phone.mp4"), (0, 1, -1, 0))
    frames = list(open_video(path).frames([0.0, 0.5]))
    assert np.array_equal(np.stack(frames), expected(path, [0.0, 0.5]))
    assert frames[0].shape == (80, 60, 3)
    assert all(frame.flags.c_contiguous for frame in frames)


@pytest.mark.parametrize("name", ["cut.avi", "cut.mkv"])
def test_a_truncated_video_is_read_up_to_the_cut(tmp_path, name):
    video = open_video(cases.cut(cases.draw(tmp_path / name, seconds=4.0), 0.5))
    assert next(video.frames([0.5])).shape == (60, 80, 3)
    with pytest.raises(VideoError, match=r"cut\.(avi|mkv) (is incomplete|is damaged)"):
        list(video.frames([3.5]))


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_other_files_are_errors_with_their_name(tmp_path, content):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"notes\.mp4"):
        open_video(path)
