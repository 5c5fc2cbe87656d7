"""The packaged models of synthetic actions: metadata, accuracy, and the command that trains them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from opendr_har_core import Frame, Recognizer
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE, bundle_path
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_at, render_clip

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "accuracy" / "train_default_model.py"
CLIPS = 12
CONTINUAL_BUNDLE = DEFAULT_BUNDLE.with_name("continual.onnx")


@pytest.fixture(scope="module", params=["default", "continual"])
def default(request):
    return Recognizer.open(bundle_path(request.param) if request.param == "default" else CONTINUAL_BUNDLE)


def label(recognizer, frames):
    stream = recognizer.stream()
    return [prediction.label for prediction in map(stream.push, frames) if prediction][-1]


def test_metadata_and_size(default):
    assert "drawn figures" in default.source
    assert "docs/default-model.md" in default.source
    assert "Apache-2.0" in default.source
    assert list(default.labels) == list(ACTIONS)
    assert DEFAULT_BUNDLE.stat().st_size + CONTINUAL_BUNDLE.stat().st_size < 13_000_000


@pytest.mark.slow
def test_accuracy_on_synthetic_clips_of_other_seeds(default, record_property):
    times = [index * default.spec.period_ns / NANOSECONDS for index in range(default.spec.window)]
    right = Counter(
        action
        for action in ACTIONS
        for seed in range(CLIPS)
        if label(default, render_at(action, times, (240, 320), seed)) == action
    )
    record_property("right", f"{sum(right.values())}/{CLIPS * len(ACTIONS)}")
    assert sum(right.values()) / (CLIPS * len(ACTIONS)) >= 0.85, right
    assert min(right[action] for action in ACTIONS) >= 0.6 * CLIPS, right


@pytest.mark.slow
def test_accuracy_on_real_gestures(default, shared, record_property):
    from opendr_har_core.media.video import loop_frames
    from opendr_har_core.streaming.label_pipeline import mean_prediction

    wanted = {"1": "raising both arms", "2": "waving one hand", "3": "raising both arms"}
    right = 0
    for path in sorted((shared / "videos" / "gestures_rgb").glob("*.avi")):
        mean = mean_prediction(list(filter(None, map(default.stream().push, loop_frames(path, 2)))), default.labels)
        right += mean.label == wanted[path.stem[4]]
    record_property("right", right)
    assert right >= 24  # of 27


def test_the_first_label_of_the_continual_model():
    continual = Recognizer.open(CONTINUAL_BUNDLE)
    stream = continual.stream()
    found = [prediction for prediction in map(stream.push, render_clip("bending", 1.0, size=(240, 320))) if prediction]
    assert found[0].provisional
    assert found[0].stamp_ns < NANOSECONDS
    assert continual.spec.delay_sec == 0


def test_an_empty_room_is_no_activity(default):
    grey = next(render_clip("walking", 0.1)).rgb * 0 + 90
    assert label(default, (Frame(grey, index * 40_000_000) for index in range(50))) == "no activity"


@pytest.mark.slow
def test_the_training_command_writes_both_bundles(tmp_path, shared):
    pytest.importorskip("lightning")
    bundle, weights = tmp_path / "trained.onnx", shared / "weights" / "x3d_xs_k400_slowfast.pyth"
    command = [sys.executable, SCRIPT, "--clips", "2", "--epochs", "1", "--weights", weights, "--output", bundle]
    command += ["--continual-output", bundle.with_name("continual.onnx")]
    env = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert "MB after" in done.stdout
    assert list(Recognizer.open(bundle).labels) == list(ACTIONS)
    continual = Recognizer.open(bundle.with_name("continual.onnx"))
    assert list(continual.labels) == list(ACTIONS)
    assert (continual.spec.name, continual.spec.lookahead) == ("cox3d_xs", "none")
