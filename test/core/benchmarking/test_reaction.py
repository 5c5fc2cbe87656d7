"""Splices of videos, and the time until a track of predictions names what they show."""

from __future__ import annotations

import numpy as np
import pytest

from opendr_har_core.benchmarking.footage import Track, spliced
from opendr_har_core.benchmarking.reaction import Reaction, reaction, summarize
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import write_video

FPS, SEC = 10, 1_000_000_000
SPLICE_NS = 3 * SEC


def track(labels, period_sec=0.4, classes=3):
    """A track with these best labels, from 0 s on."""
    stamps = (np.arange(len(labels)) * period_sec * SEC).astype(np.int64)
    return Track(stamps, np.eye(classes, dtype=np.float32)[list(labels)] * 0.8)


def test_the_second_video_starts_at_the_splice(tmp_path):
    paths = []
    for level, side in ((10, 24), (200, 48)):
        frames = (Frame(np.full((side, side, 3), level, np.uint8), index * SEC // FPS) for index in range(FPS))
        paths.append(write_video(tmp_path / f"{level}.mp4", frames, FPS))
    frames = list(spliced(*paths, 1.5, 0.5))
    stamps = [frame.stamp_ns for frame in frames]
    assert len(frames) == 20  # a short video is looped
    assert stamps == sorted(set(stamps))
    assert min(frame.stamp_ns for frame in frames if frame.rgb.mean() > 100) == 1.5 * SEC
    assert [stamp >= 1.5 * SEC for stamp in stamps] == [frame.rgb.mean() > 100 for frame in frames]


@pytest.mark.parametrize(
    ("after", "first", "stable"),
    [
        ([1, 1, 1, 1, 1, 1], 0.2, 0.2),
        ([0, 0, 1, 1, 1, 1], 1.0, 1.0),
        ([1, 0, 0, 1, 1, 1, 1], 0.2, 1.4),
        ([0, 1, 1, 1, 0, 0], 0.6, 0.6),  # held until the next label, 1.2 s later
        ([0, 0, 0, 0, 1, 1], 1.8, None),  # too short to tell
        ([0, 0, 0, 0, 0, 0], None, None),
    ],
)
def test_seconds_to_the_first_and_to_a_stable_label(after, first, stable):
    found = reaction(track([0] * 8 + after), 1, SPLICE_NS)
    assert (found.first_sec, found.stable_sec) == (pytest.approx(first), pytest.approx(stable))


def test_a_label_that_never_comes_counts_as_infinitely_late():
    some = [Reaction(0.2, 0.4), Reaction(1.0, None), Reaction(None, None)]
    found = summarize([*some, None])
    assert (found.splices, found.named, found.median_sec, found.slowest_sec) == (3, 2, 1.0, 1.0)
    assert found.stable_median_sec is None
    assert summarize([some[0], None, some[2]]).median_sec is None
    assert summarize([]) == summarize([None])
