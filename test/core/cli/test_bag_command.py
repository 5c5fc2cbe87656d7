"""`opendr-har bag` as a command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags")
sys.path.insert(0, str(Path(__file__).parents[1]))
from bag_cases import FRAMES, expected, write_bag
from cli_cases import run


def test_the_command_prints_counts_and_loads_no_torch(tmp_path):
    source = write_bag(tmp_path / "walk")
    code = "import json, sys; from opendr_har_core.cli.main import main; code = main(sys.argv[1:])\n"
    code += "print(json.dumps([code, sorted({'torch', 'rclpy', 'onnx'} & set(sys.modules))]))"
    _, out, _ = run("bag", source, "--output", tmp_path / "out", code=code)
    line, report = out.splitlines()
    predictions, events = expected()
    assert line == f"{tmp_path / 'out'}: {len(predictions)} labels and {len(events)} events of {len(FRAMES)} images"
    assert json.loads(report) == [0, []]
