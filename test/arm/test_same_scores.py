"""Packaged models label alike on ARM and x86: the x86 machine records scores in $HAR_BUNDLES, the ARM one compares."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
import pytest

from opendr_har_core import Frame, Recognizer
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import packaged_models
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_at

LARGEST_DIFFERENCE = 1e-4
PERIODS = 4
SHOWN = ACTIONS[::3]  # emulated, a step takes seconds


def scores(recognizer, frames):
    """Scores of every prediction for frames that are one period apart, (predictions, classes)."""
    stream = recognizer.stream("every_frame", min_frames=1)
    stamped = (Frame(rgb, index * recognizer.spec.period_ns) for index, rgb in enumerate(frames))
    return np.stack([prediction.scores for prediction in map(stream.push, stamped) if prediction])


@pytest.mark.parametrize("name", packaged_models())
def test_a_packaged_model_gives_the_labels_and_scores_of_x86(name, record_property):
    recognizer = Recognizer.open(name)
    recorded = Path(os.environ["HAR_BUNDLES"]) / f"{name}.npz"
    if platform.machine() == "x86_64":
        times = [index * recognizer.spec.period_ns / NANOSECONDS for index in range(PERIODS)]
        clips = {action: np.stack([frame.rgb for frame in render_at(action, times)]) for action in SHOWN}
        made = {action: scores(recognizer, clip) for action, clip in clips.items()}
        np.savez(recorded, **clips, **{f"scores of {action}": values for action, values in made.items()})
        return
    with np.load(recorded) as x86:
        largest = 0.0
        for action in SHOWN:
            ours, theirs = scores(recognizer, x86[action]), x86[f"scores of {action}"]
            assert ours.argmax(axis=1).tolist() == theirs.argmax(axis=1).tolist(), action
            largest = max(largest, float(np.abs(ours - theirs).max()))
    record_property("largest difference from x86", f"{largest:.1e}")
    assert largest < LARGEST_DIFFERENCE
