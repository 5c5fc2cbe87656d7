"""Benchmarks: memory, machine, models, failures and reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from opendr_har_core.benchmarking.machine import Machine
from opendr_har_core.benchmarking.measure import EnergyUse, Figures, Settings, Throughput
from opendr_har_core.benchmarking.memory import process_memory
from opendr_har_core.benchmarking.models import Model, Subject, bundle_subject, evaluation, open_network
from opendr_har_core.benchmarking.suite import Report, Row, measure_row, write_report
from opendr_har_core.benchmarking.tables import report_text
from opendr_har_core.benchmarking.timing import Timing
from opendr_har_core.errors import DataError
from opendr_har_core.streaming.recognizer import Recognizer

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


@pytest.mark.parametrize("architecture", ["x3d", "cox3d"])
def test_both_runtimes_do_the_same_work_and_a_batch_evaluates_as_many(architecture, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from opendr_har_core.bundles.export import export_bundle
    from opendr_har_core.networks.config import X3DConfig
    from opendr_har_core.networks.cox3d import CoX3D
    from opendr_har_core.networks.x3d import X3D

    config = X3DConfig("tiny", image_size=32, frames=4, stride=12, stage_depths=(1, 1, 1, 1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = (CoX3D if architecture == "cox3d" else X3D)(config, num_classes=5)
        for module in network.modules():  # initial weights give every class the same probability
            if isinstance(module, torch.nn.BatchNorm3d):
                torch.nn.init.uniform_(module.weight, 0.5, 2.5)
    bundle = export_bundle(network, tmp_path / "tiny.onnx", source="test")
    in_torch, in_onnx = open_network(network), Recognizer.open(bundle)
    torch_job, onnx_job = evaluation(in_torch), evaluation(in_onnx)
    for _ in range(network.spec.warm_up + 4):
        expected, result = torch_job(), onnx_job()
    expected, given = (item[0].scores if architecture == "cox3d" else item[0] for item in (expected, result))
    np.testing.assert_allclose(given, expected, atol=1e-4)
    assert np.ptp(expected) > 1e-3
    assert len(evaluation(in_torch, 3)()) == len(evaluation(in_onnx, 3)()) == 3


def test_a_model_that_fails_is_a_row_with_the_reason(tmp_path):
    subject = Subject(bundle_subject("default").model, "onnx", str(tmp_path / "gone.onnx"))
    row = measure_row(subject, Settings(names=(), bundle="default", seconds=0.01))
    assert row.figures is None
    assert "no model" in row.failure


MACHINE = Machine("A CPU", "x86_64", "Linux 6", 8, 4, 2, {"numpy": "1.20", "torch": None}, 0.1, 50.0)
MODEL = Model("cox3d_s", "random weights", (160, 160, 3), 3_794_322, 152_711_312)
FIGURES = Figures(
    provider="CPUExecutionProvider",
    weights_bytes=15_200_000,
    peak_rss_bytes=120_000_000,
    timing=Timing(100, 0.010, 0.008, 0.020, 0.0123),
    throughput=Throughput(2, 150.0, ((1, 100.0), (2, 150.0), (4, 149.0)), "no gain"),
    energy=EnergyUse("a sensor", 1.25, 0.5, 30.0),
    energy_remark="",
)


def test_tables_show_the_figures():
    rows = (Row(MODEL, "onnx", FIGURES), Row(MODEL, "torch", None, "out of memory"))
    lines = [line.split() for line in report_text(Report(MACHINE, 2.0, rows)).splitlines()]
    size = ["cox3d_s", "onnx", "160x160x3", "0.153", "0.305", "3,794,322", "15.2", "120"]
    share = 2 * 0.152711312 / 0.010 / 50.0
    speed = ["cox3d_s", "onnx", "100.00", "50.00..125.00", "10.00", "0.0123", "30.5", f"{share:.0%}"]
    assert size in lines
    assert speed in lines
    assert ["cox3d_s", "onnx", "1.250", "0.500", "30.0", "a", "sensor"] in lines
    assert any(line[:4] == ["cox3d_s", "onnx", "2", "150.00"] for line in lines)
    assert ["cox3d_s", "on", "torch:", "out", "of", "memory"] in lines


def test_a_report_is_written_as_json_or_is_an_error(tmp_path):
    report = Report(MACHINE, 2.0, (Row(MODEL, "onnx", FIGURES),))
    write_report(report, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(asdict(report)))
    with pytest.raises(DataError, match="can't write the report"):
        write_report(report, tmp_path / "absent" / "report.json")
