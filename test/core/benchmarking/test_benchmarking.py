"""Benchmarks: memory, machine, models, failures and reports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opendr_har_core.benchmarking.measure import Settings
from opendr_har_core.benchmarking.memory import process_memory
from opendr_har_core.benchmarking.models import Subject, bundle_subject
from opendr_har_core.benchmarking.suite import measure_row

ROOT = Path(__file__).resolve().parents[3]
MIB = 1 << 20


def test_the_peak_is_of_the_process_itself_and_remains_after_memory_is_freed():
    if process_memory() is None:
        pytest.skip("this system has no /proc")
    child = "from opendr_har_core.benchmarking.memory import process_memory; print(process_memory().peak_bytes)"
    parent = f"""
import subprocess, sys
block = bytearray(400 << 20)
block[::4096] = b"x" * len(block[::4096])
del block
{child}
sys.stdout.flush()
subprocess.run([sys.executable, "-c", {child!r}], check=True)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, env=env, check=True)
    large, small = (int(line) for line in done.stdout.split())
    assert large > 400 * MIB
    assert small < 200 * MIB


def test_a_model_that_fails_is_a_row_with_the_reason(tmp_path):
    subject = Subject(bundle_subject("default").model, "onnx", str(tmp_path / "gone.onnx"))
    row = measure_row(subject, Settings(names=(), bundle="default", seconds=0.01))
    assert row.figures is None
    assert "no model" in row.failure
