"""Short forms of the long runs in benchmarks/soak: every fault once, and many frames; the figures are in docs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

SOAK = Path(__file__).resolve().parents[3] / "benchmarks" / "soak"


def run(script, *arguments):
    """What it found, whether flat or not: a short run is not over the caches' filling up."""
    command = [sys.executable, str(SOAK / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1) and done.stdout.startswith("{"), done.stderr
    return json.loads(done.stdout)


def test_many_frames_through_one_stream_leave_nothing_behind():
    found = run("stream.py", "--frames", "12000")
    assert found["labels"] == found["steps"] - 3 == 997
    assert (found["threads_range"], found["files_range"]) == (0, 0)
    assert found["rss_slope_kb"] < 500.0  # a frame that stayed would be 57,600


def test_a_node_labels_through_one_fault_after_the_other():
    found = run("node.py", "--minutes", "13", "--minute-sec", "20", "--speed", "6")
    silent = [row["fault"] for row in found["minutes"] if not row["labels"]]
    assert len(found["minutes"]) == 13 and silent == []
    assert (found["tracebacks"], found["exit_code"]) == (0, 0)
    assert found["threads_range"] <= 1
    assert found["files_range"] <= 2
    # Of changing models; it was 69 MB.
    assert found["minutes"][-1]["rss_kb"] - found["minutes"][-2]["rss_kb"] < 30_000


@pytest.mark.parametrize("victim", ["training", "trainer"])
def test_training_that_is_killed_leaves_whole_files_and_goes_on(victim):
    pytest.importorskip("lightning")
    found = run("training_kills.py", "--times", "3", "--steps", "6", "--victim", victim)
    assert found["killed"] == 3
    assert found["wrong"] == found["half_written"]["in_the_end"] == []
    assert found["tracebacks"] == 0
