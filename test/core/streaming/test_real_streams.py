"""Streams of the real networks on real footage: rates, jitter, resets, memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("psutil")

from opendr_har_core import Frame, Recognizer
from opendr_har_core.media.video import loop_frames, probe
from opendr_har_core.streaming.label_pipeline import mean_prediction

ROOT = Path(__file__).resolve().parents[3]
FRAMES = 2000
MEGABYTE = 1 << 20


@pytest.fixture(scope="module", params=[("x3d", "xs"), ("cox3d", "s")], ids=["x3d_xs", "cox3d_s"])
def recognizer(request, real_bundle):
    return Recognizer.open(real_bundle(*request.param))


@pytest.fixture(scope="module")
def archery(shared):
    return shared / "videos" / "labelled" / "archery_ucf.avi"


def retimed(frames, fps, jitter_ns, seed=0):
    """The same scene from a camera with another rate and jitter."""
    rng = np.random.default_rng(seed)
    source = list(frames)
    stamps = np.array([frame.stamp_ns for frame in source])
    for index in range(int(stamps[-1] * fps / 1e9)):
        time = index * 1e9 / fps
        shown = source[int(np.searchsorted(stamps, time, side="right")) - 1]
        yield Frame(shown.rgb, round(time + rng.uniform(-jitter_ns, jitter_ns)) + 1_000_000_000)


def whole_label(recognizer, frames):
    stream = recognizer.stream()
    return mean_prediction([p for p in map(stream.push, frames) if p], recognizer.labels).label


@pytest.mark.parametrize(("fps", "jitter_ms"), [(10, 8), (30, 8), (60, 0)])
def test_the_label_is_the_same_at_any_rate_and_under_jitter(recognizer, archery, fps, jitter_ms):
    frames = loop_frames(archery, 1 + math.ceil(recognizer.stream().silent_sec / probe(archery).length_sec))
    assert whole_label(recognizer, retimed(frames, fps, jitter_ms * 1_000_000)) == "archery"


TWO_THOUSAND_FRAMES = """
import gc, json, sys
from itertools import islice
import numpy as np, psutil
from opendr_har_core import Frame, Recognizer
from opendr_har_core.media.video import loop_frames, probe
bundle, video, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
frames = list(islice(loop_frames(video), 100))
recognizer = Recognizer.open(bundle)
stream = recognizer.stream(sampling="every_frame")
process, used = psutil.Process(), []
for index in range(count):
    stream.push(Frame(frames[index % 100].rgb, index * 33_000_000))
    if index % 50 == 49:
        gc.collect()
        used.append((index, process.memory_info().rss))
later = np.array(used[len(used) // 4:], float)
slope_bytes = float(np.polyfit(later[:, 0], later[:, 1], 1)[0])
stream.reset()
short = [Frame(frame.rgb, index * 33_000_000) for index, frame in enumerate(frames[:recognizer.spec.warm_up + 8])]
def scores(stream):
    return [prediction.scores.tobytes().hex() for prediction in map(stream.push, short) if prediction]
after, fresh = scores(stream), scores(recognizer.stream(sampling="every_frame"))
print(json.dumps({"slope_bytes": slope_bytes, "compared": len(fresh), "identical": after == fresh}))
"""


@pytest.mark.slow
def test_two_thousand_frames_leave_memory_flat_and_a_reset_makes_the_stream_as_new(
    recognizer, request, real_bundle, archery, record_property
):
    """In a process of its own: in this one, the memory of other tests comes and goes."""
    bundle = real_bundle(*request.node.callspec.params["recognizer"])
    done = subprocess.run(
        [sys.executable, "-c", TWO_THOUSAND_FRAMES, str(bundle), str(archery), str(FRAMES)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    report = json.loads(done.stdout.splitlines()[-1])
    record_property("slope_bytes_per_frame", report["slope_bytes"])
    # What a system takes back from an idle process is no leak: only growth counts.
    assert report["slope_bytes"] * FRAMES < 4 * MEGABYTE
    assert report["compared"] == 8
    assert report["identical"]
