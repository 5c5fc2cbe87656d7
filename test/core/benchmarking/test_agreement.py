"""`opendr-har agreement`: agreement with a clip network on videos without labels, and reaction times."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from opendr_har_core.backends.protocol import Outputs
from opendr_har_core.benchmarking.agreement import measure_agreement
from opendr_har_core.benchmarking.footage import Reaction, Track, reaction, summarize
from opendr_har_core.cli.main import main
from opendr_har_core.errors import ConfigError
from opendr_har_core.frame import Frame
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import write_video
from opendr_har_core.spec import ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer

FPS, SEC = 10, 1_000_000_000
WINDOW, PERIOD_SEC = 3, 0.2
SPLICE_NS = 3 * SEC
DARK, BRIGHT = 10, 200


class BrightnessBackend:
    """Labels the brightness of the frame `delay` steps ago."""

    provider, fallback_reason, source, features = "arithmetic", "", "a test", 0

    def __init__(self, architecture, delay=0, names=("dark", "grey", "bright")):
        self.spec = ModelSpec(architecture, "tiny", 8, WINDOW, 6, WINDOW - 1 + delay, num_classes=len(names))
        self.labels = LabelMap(names)

    def classify(self, clips):
        return Outputs(np.stack([self._scores(clip[-1].mean()) for clip in clips]))

    def state(self, rows):
        return SimpleNamespace(rows=len(rows), levels=[list(row[0].levels[row[1]]) if row else [] for row in rows])

    def step(self, frames, state):
        for levels, frame in zip(state.levels, frames):
            levels.append(frame.mean())
        shown = [levels[max(-1 - self.spec.delay, -len(levels))] for levels in state.levels]
        return Outputs(np.stack([self._scores(level) for level in shown]))

    def _scores(self, level):
        scores = np.full(self.spec.num_classes, 0.1, np.float32)
        scores[int(level // 80)] = 0.9
        return scores


@pytest.fixture
def video(tmp_path):
    """Make a video of grey levels, half a second each: video(*levels, fps=10) -> path."""

    def make(*levels, fps=FPS):
        pictures = [np.full((24, 32, 3), level, np.uint8) for level in levels for _ in range(FPS // 2)]
        frames = [Frame(picture, index * SEC // FPS) for index, picture in enumerate(pictures)]
        return write_video(tmp_path / f"{'_'.join(map(str, levels))}_{fps}.mp4", frames, fps)

    return make


def measured(videos, *backends):
    names = [f"{index}.onnx" for index in range(len(backends))]
    return measure_agreement(names, [Recognizer(backend) for backend in backends], videos)


@pytest.mark.slow
def test_a_model_with_delay_agrees_about_the_same_moment_and_reacts_late(video):
    videos = [video(DARK, BRIGHT), video(DARK), video(BRIGHT)]
    report = measured(videos, BrightnessBackend("cox3d"), BrightnessBackend("x3d"), BrightnessBackend("cox3d", delay=3))
    assert report.reference == "1.onnx"
    prompt, reference, late = report.models
    assert prompt.same_stamp == prompt.same_moment == reference.same_stamp == 1.0
    assert late.same_stamp < 0.9
    assert late.same_moment == 1.0
    assert prompt.first_label_sec == pytest.approx((WINDOW - 1) * PERIOD_SEC, abs=0.1)
    assert late.first_label_sec - prompt.first_label_sec == pytest.approx(3 * PERIOD_SEC, abs=0.1)
    assert prompt.reactions.named == prompt.reactions.splices == report.splices
    assert late.reactions.median_sec - prompt.reactions.median_sec == pytest.approx(3 * PERIOD_SEC, abs=0.1)
    assert late.step_sec > 0
    assert late.cpu_sec > 0


@pytest.mark.parametrize(
    ("backends", "message"),
    [
        ([("cox3d",)], r"none of 0\.onnx is a clip network \(X3D\).* opendr-har export .*--network x3d"),
        ([("x3d",), ("cox3d", 0, ("a", "b", "c", "d"))], r"0\.onnx and 1\.onnx have different classes \(3 and 4\)"),
    ],
)
def test_models_that_can_not_be_compared_are_an_error_that_says_what_to_do(video, backends, message):
    with pytest.raises(ConfigError, match=message):
        measured([video(DARK)], *(BrightnessBackend(*arguments) for arguments in backends))


@pytest.mark.slow
def test_the_command_prints_tables_and_json(video, tiny_bundle, capsys):
    models = [str(tiny_bundle("x3d")), str(tiny_bundle("cox3d", "full")), str(tiny_bundle("cox3d", "none"))]
    command = ["agreement", *models, "--videos", str(video(DARK, BRIGHT)), "--seconds", "1", "--threads", "1"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Clip network: {models[0]}. 1 video, 1 s of each, 0 splices.\n")
    row = next(line for line in text.splitlines() if line.startswith(models[1]))
    assert row.split()[1:5] == ["cox3d_xs", "full", "4", "11.2"]
    assert main([*command, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["reference"] == models[0]
    assert [model["spec"]["lookahead"] for model in values["models"]] == ["full", "full", "none"]
    assert values["models"][0]["same_stamp"] == 1.0
    assert values["models"][2]["first_label_sec"] == 0.8  # MIN_FRAMES


def track(labels, period_sec=0.4, classes=3):
    """A track with these best labels, from 0 s on."""
    stamps = (np.arange(len(labels)) * period_sec * SEC).astype(np.int64)
    return Track(stamps, np.eye(classes, dtype=np.float32)[list(labels)] * 0.8)


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
