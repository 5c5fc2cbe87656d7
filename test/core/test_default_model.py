"""The packaged demonstration model: what it is, what it can, and that its training still makes it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from opendr_har_core import Frame, Recognizer
from opendr_har_core.recognizer import DEFAULT_BUNDLE
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.synth.motions import ACTIONS
from opendr_har_core.synth.scene import render_at, render_clip

CLIPS = 15


@pytest.fixture(scope="module")
def default():
    return Recognizer.open("default")


def label(recognizer, frames):
    stream = recognizer.stream()
    return [prediction.label for prediction in map(stream.push, frames) if prediction][-1]


def test_it_says_what_it_is_and_stays_small(default):
    assert "not for real people" in default.source
    assert list(default.labels) == list(ACTIONS)
    assert DEFAULT_BUNDLE.stat().st_size < 1_000_000


def test_it_names_drawn_clips_that_it_was_not_trained_on(default):
    times = [index * default.spec.period_ns / NANOSECONDS for index in range(default.spec.window)]
    right = Counter(
        action
        for action in ACTIONS
        for seed in range(CLIPS)
        if label(default, render_at(action, times, (240, 320), seed)) == action
    )
    assert sum(right.values()) / (CLIPS * len(ACTIONS)) >= 0.95, right
    assert min(right[action] for action in ACTIONS) >= 0.8 * CLIPS, right


def test_it_names_whole_clips_of_any_size_and_rate(default):
    for index, action in enumerate(ACTIONS):
        frames = render_clip(action, 2.0, fps=(12, 25, 60)[index % 3], size=(300, 300 + 80 * index), seed=50 + index)
        assert label(default, frames) == action


def test_black_frames_give_scores_that_are_probabilities(default):
    black = next(render_clip("walking", 0.1)).rgb * 0
    stream = default.stream(sampling="every_frame")
    *_, last = (stream.push(Frame(black, index * 33_000_000)) for index in range(default.spec.window))
    assert last.scores.sum() == pytest.approx(1, abs=1e-5)


def test_its_training_command_writes_a_bundle_that_opens(tmp_path):
    pytest.importorskip("torch")
    bundle = tmp_path / "trained.onnx"
    command = [sys.executable, "-m", "opendr_har_core.training.default_model", "--steps", "2", "--output", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "step 2/2: loss" in done.stderr
    assert list(Recognizer.open(bundle).labels) == list(ACTIONS)
