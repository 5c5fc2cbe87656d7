"""The packaged model of Kinetics-400: published weights, stored without loss, that label real activities."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from opendr_har_core import LabelMap, Recognizer
from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.cli.main import main
from opendr_har_core.spec import NONE
from opendr_har_core.streaming.recognizer import bundle_path

NAME = "kinetics400"
# Some of the videos that docs/kinetics400-model.md lists as right.
RIGHT = ("archery.mp4", "crawling_baby.avi", "high_jump.mp4")


@pytest.fixture(scope="module")
def kinetics400():
    return Recognizer.open(NAME)


@pytest.fixture
def weights(shared):
    return shared / "weights" / "x3d_xs_k400_slowfast.pyth"


def activity(file):
    return file.split(".")[0].replace("_ucf", "").replace("_", " ")


def best(values):
    return values["top"][0]["label"]


def test_it_describes_itself_and_is_small(kinetics400):
    spec = kinetics400.spec
    assert (spec.name, spec.lookahead, spec.window, spec.silent_frames) == ("cox3d_xs", NONE, 4, 0)
    assert list(kinetics400.labels) == list(LabelMap.kinetics400())
    for word in ("PyTorchVideo", "Apache-2.0", "docs/kinetics400-model.md"):
        assert word in kinetics400.source
    assert bundle_path(NAME).stat().st_size < 4_000_000


@pytest.mark.parametrize("file", RIGHT)
def test_real_activities_are_labelled_within_a_second(file, shared, capsys):
    assert main(["infer", str(shared / "videos" / "labelled" / file), "--model", NAME, "--json", "--quiet"]) == 0
    *samples, result = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (video,) = result["videos"]
    assert best(video["whole"]) == activity(file)
    assert best(samples[0]) == activity(file)
    assert samples[0]["time_sec"] < 1


@pytest.mark.slow
def test_its_commands_write_it_again(kinetics400, weights, tmp_path):
    """Those of `make kinetics400-model`, but for the background that benchmarks/teaching/base_head.py adds."""
    pytest.importorskip("torch")
    whole, again = str(tmp_path / "whole.onnx"), tmp_path / "again.onnx"
    network = ["--network", "cox3d", "--size", "xs", "--lookahead", NONE, "--source", kinetics400.source]
    assert main(["export", str(weights), "--output", whole, *network]) == 0
    assert main(["quantize", whole, "--output", str(again)]) == 0
    backends = OnnxBackend(bundle_path(NAME)), OnnxBackend(again)
    assert replace(backends[0].metadata, head=None) == backends[1].metadata
    states = [backend.state([None]) for backend in backends]
    for frame in np.random.default_rng(0).integers(0, 256, (4, 1, 160, 160, 3), np.uint8):
        ours, theirs = (backend.step(frame, state).probabilities for backend, state in zip(backends, states))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
