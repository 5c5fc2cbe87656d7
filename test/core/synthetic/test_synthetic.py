"""Synthetic clips: deterministic for a seed, different between seeds and actions."""

from __future__ import annotations

import numpy as np
import pytest

from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_at, render_clip


def pixels(action, seed, seconds=0.5):
    return np.stack([frame.rgb for frame in render_clip(action, seconds, fps=10, size=(96, 128), seed=seed)])


@pytest.mark.parametrize("action", ACTIONS)
def test_a_clip_has_the_requested_size_rate_and_length(action):
    frames = list(render_clip(action, 1.5, fps=20, size=(90, 120), seed=3))
    assert [frame.stamp_ns for frame in frames] == [50_000_000 * index for index in range(30)]
    assert {frame.size for frame in frames} == {(90, 120)}


def test_a_single_frame_equals_that_of_the_whole_clip():
    whole = list(render_clip("jumping", 1.0, fps=10, size=(96, 128), seed=5))
    alone = next(render_at("jumping", [0.7], size=(96, 128), seed=5))
    assert np.array_equal(alone.rgb, whole[7].rgb)


def test_every_action_moves_in_its_own_way():
    clips = [pixels(action, seed=4, seconds=1.0).astype(float) for action in ACTIONS]
    for index, clip in enumerate(clips):
        assert np.abs(np.diff(clip, axis=0)).mean() > 0
        assert all(np.abs(clip - other).mean() > 0.5 for other in clips[index + 1 :])
