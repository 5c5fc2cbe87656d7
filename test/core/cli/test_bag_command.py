"""`opendr-har bag` as a command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags")
sys.path.insert(0, str(Path(__file__).parents[1]))
from bag_cases import FRAMES, contents, expected, stamp_of, write_bag
from cli_cases import run

from opendr_har_core.cli.main import main
from opendr_har_core.streaming.settings import LabelSettings


def test_options_reach_the_labels(tmp_path, tiny_bundle):
    source, model = write_bag(tmp_path / "walk"), tiny_bundle("cox3d", "none")
    options = ["--model", str(model), "--min-frames", "3", "--smoothing", "0.3", "--top-k", "1"]
    assert main(["bag", str(source), *options]) == 0
    found, _ = contents(tmp_path / "walk_labels")
    predictions, events = expected(LabelSettings(top_k=1, smoothing=0.3), model=model, min_frames=3)
    labels = [(stamp_of(message), message.results) for _, message in found["/recognizer/classification"]]
    assert [(stamp, item.class_id, item.score) for stamp, (item,) in labels] == [
        (prediction.stamp_ns, prediction.label, prediction.score) for prediction in predictions
    ]
    assert [message.data for _, message in found["/recognizer/provisional"]] == [True, False]
    assert len(found["/recognizer/events"]) == len(events)


def test_the_command_prints_counts_and_loads_no_torch(tmp_path):
    source = write_bag(tmp_path / "walk")
    code = "import json, sys; from opendr_har_core.cli.main import main; code = main(sys.argv[1:])\n"
    code += "print(json.dumps([code, sorted({'torch', 'rclpy', 'onnx'} & set(sys.modules))]))"
    _, out, _ = run("bag", source, "--output", tmp_path / "out", code=code)
    line, report = out.splitlines()
    predictions, events = expected()
    assert line == f"{tmp_path / 'out'}: {len(predictions)} labels and {len(events)} events of {len(FRAMES)} images"
    assert json.loads(report) == [0, []]
