"""The benchmark: what it measures besides time, on which models, and what it reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from opendr_har_core.backends.runtime import ort
from opendr_har_core.benchmarking.energy import SensorError, Survey
from opendr_har_core.benchmarking.energy_use import NO_SENSOR, energy_use
from opendr_har_core.benchmarking.machine import measured_again, processor
from opendr_har_core.benchmarking.matmul import matmul_model
from opendr_har_core.benchmarking.memory import available_bytes, peak_rss_bytes
from opendr_har_core.benchmarking.models import ONNX, Subject, bundle_subject
from opendr_har_core.benchmarking.report import (
    EnergyUse,
    Figures,
    Machine,
    Model,
    Report,
    Row,
    figures_from_dict,
    write_report,
)
from opendr_har_core.benchmarking.runners import OpenBundle
from opendr_har_core.benchmarking.suite import Settings, _row
from opendr_har_core.benchmarking.tables import report_text
from opendr_har_core.benchmarking.throughput import Throughput
from opendr_har_core.benchmarking.timing import Timing
from opendr_har_core.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parents[3]
MIB = 1 << 20


# Memory


def test_memory_is_read_from_proc(tmp_path):
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("Name:\tpython\nVmPeak:\t 9000 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1000 kB\n")
    (tmp_path / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable:    4096 kB\n")
    assert peak_rss_bytes(tmp_path) == 2 * MIB
    assert available_bytes(tmp_path) == 4 * MIB
    assert peak_rss_bytes(tmp_path / "absent") is None


def test_the_peak_is_this_processes_own_and_stays_when_memory_is_given_back():
    if peak_rss_bytes() is None:
        pytest.skip("this system has no /proc")
    child = "from opendr_har_core.benchmarking.memory import peak_rss_bytes; print(peak_rss_bytes())"
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


# Machine


def test_the_yardstick_multiplies_matrices():
    session = ort.InferenceSession(matmul_model(300), providers=["CPUExecutionProvider"])
    a, b = np.random.default_rng(0).standard_normal((2, 300, 300), dtype=np.float32)
    np.testing.assert_allclose(session.run(["c"], {"a": a, "b": b})[0], a @ b, atol=1e-3)


def test_the_yardstick_is_a_sound_onnx_model():
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load_from_string(matmul_model(2048)), full_check=True)


def test_the_processor_is_named_or_else_the_board(tmp_path):
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"NVIDIA Jetson Orin Nano Developer Kit\0")
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nCPU part\t: 0xd42\n")
    assert processor(tmp_path) == "NVIDIA Jetson Orin Nano Developer Kit"
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: A Fine CPU @ 3 GHz\n")
    assert processor(tmp_path) == "A Fine CPU @ 3 GHz"


def test_the_yardstick_is_the_better_of_two_measurements():
    assert measured_again(replace(MACHINE, matmul_gflops=1e-9), None).matmul_gflops > 1e-9
    assert measured_again(replace(MACHINE, matmul_gflops=1e12), None).matmul_gflops == 1e12


# Energy


class Meter:
    """Gives these joules, one measurement after the other."""

    name = "a test's sensor"

    def __init__(self, *joules):
        self._joules = iter(joules)

    def start(self):
        pass

    def stop(self):
        joules = next(self._joules)
        if joules is None:
            raise SensorError("the sensor broke")
        return joules


def test_energy_is_told_per_evaluation_and_above_idle():
    calls = []
    use, remark = energy_use(lambda: calls.append(1), 0.01, Survey(Meter(0.0, 6.0)))
    timed = len(calls) - 1  # the first is a warm-up
    assert (use.joules, use.joules_above_idle, use.idle_watts) == (6.0 / timed, 6.0 / timed, 0.0)
    assert remark == ""
    resting, _ = energy_use(lambda: None, 0.01, Survey(Meter(5.0, 5.0)))
    assert resting.idle_watts > 0
    assert resting.joules_above_idle < resting.joules


def test_without_a_sensor_it_says_what_was_looked_for_and_why_not():
    assert energy_use(lambda: None, 0.01, Survey(None)) == (None, NO_SENSOR)
    assert "RAPL, INA3221, NVML" in NO_SENSOR
    assert energy_use(lambda: None, 0.01, Survey(None, ("locked",)))[1] == f"{NO_SENSOR}; locked"
    assert energy_use(lambda: None, 0.01, Survey(Meter(1.0, None))) == (None, "the sensor broke")


# Models


@pytest.fixture(scope="module")
def tiny():
    """tiny("x3d" or "cox3d") -> a small network, with the layers of the real ones, past its first steps soon."""
    torch = pytest.importorskip("torch")
    from opendr_har_core.networks.config import X3DConfig
    from opendr_har_core.networks.cox3d import CoX3D
    from opendr_har_core.networks.x3d import X3D

    def make(architecture):
        config = X3DConfig("tiny", image_size=32, frames=4, stride=12, stage_depths=(1, 1, 1, 1))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = (CoX3D if architecture == "cox3d" else X3D)(config, num_classes=5)
            for module in network.modules():  # initial weights give every class the same probability
                if isinstance(module, torch.nn.BatchNorm3d):
                    torch.nn.init.uniform_(module.weight, 0.5, 2.5)
        return network

    return make


@pytest.mark.parametrize("architecture", ["x3d", "cox3d"])
def test_both_runtimes_are_timed_on_the_same_work(architecture, tiny, tmp_path):
    pytest.importorskip("onnx")
    from opendr_har_core.benchmarking.torch_runners import OpenNetwork
    from opendr_har_core.bundles.export import export_bundle

    network = tiny(architecture)
    bundle = export_bundle(network, tmp_path / "tiny.onnx", source="a test")
    in_torch, in_onnx = OpenNetwork(network).runner(), OpenBundle(bundle).runner()
    for _ in range(network.spec.warm_up + 4):
        expected, result = in_torch.run(), in_onnx.run()
    given = result[0].scores if architecture == "cox3d" else result[0]
    np.testing.assert_allclose(given, expected[0], atol=1e-4)
    assert np.ptp(expected) > 1e-3


@pytest.mark.parametrize("architecture", ["x3d", "cox3d"])
def test_a_batch_evaluates_as_many(architecture, tiny, tmp_path):
    pytest.importorskip("onnx")
    from opendr_har_core.benchmarking.torch_runners import OpenNetwork
    from opendr_har_core.bundles.export import export_bundle

    network = tiny(architecture)
    bundle = export_bundle(network, tmp_path / "tiny.onnx", source="a test")
    assert len(OpenNetwork(network).runner(3).run()) == 3
    assert len(OpenBundle(bundle).runner(3).run()) == 3


def test_a_model_that_fails_is_a_row_that_says_why(tmp_path):
    subject = Subject(bundle_subject("default").model, ONNX, str(tmp_path / "gone.onnx"))
    row = _row(subject, Settings(names=(), bundle="default", seconds=0.01))
    assert row.figures is None
    assert "no model" in row.failure


# Report

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


def test_figures_survive_json():
    assert figures_from_dict(json.loads(json.dumps(asdict(FIGURES)))) == FIGURES


def test_tables_show_the_figures():
    rows = (Row(MODEL, "onnx", FIGURES), Row(MODEL, "torch", None, "ended by signal 9"))
    lines = [line.split() for line in report_text(Report(MACHINE, 2.0, rows)).splitlines()]
    size = ["cox3d_s", "onnx", "160x160x3", "0.153", "0.305", "3,794,322", "15.2", "120"]
    share = 2 * 0.152711312 / 0.010 / 50.0
    speed = ["cox3d_s", "onnx", "100.00", "50.00..125.00", "10.00", "0.0123", "30.5", f"{share:.0%}"]
    assert size in lines
    assert speed in lines
    assert ["cox3d_s", "onnx", "1.250", "0.500", "30.0", "a", "sensor"] in lines
    assert any(line[:4] == ["cox3d_s", "onnx", "2", "150.00"] for line in lines)
    assert ["cox3d_s", "on", "torch:", "ended", "by", "signal", "9"] in lines


def test_another_device_than_the_processor_is_named():
    on_gpu = Figures(**{**vars(FIGURES), "provider": "CUDAExecutionProvider"})
    text = report_text(Report(MACHINE, 2.0, (Row(MODEL, "onnx", on_gpu),)))
    assert text.count("CUDA (onnx)") == 4
    assert "CUDA" not in report_text(Report(MACHINE, 2.0, (Row(MODEL, "onnx", FIGURES),)))


@pytest.mark.parametrize("wrong", [{"names": ("x3d_xxl",)}, {"runtimes": ("abacus",)}, {"largest_batch": 0}])
def test_settings_that_can_not_be_are_errors(wrong):
    with pytest.raises(ConfigError, match="expected"):
        Settings(**wrong)


def test_the_header_warns_of_other_work():
    busy = Machine(**{**asdict(MACHINE), "load": 3.0})
    assert "other work was running" in report_text(Report(busy, 2.0, ()))
    assert "other work was running" not in report_text(Report(MACHINE, 2.0, ()))


def test_a_report_that_can_not_be_written_is_an_error(tmp_path):
    with pytest.raises(DataError, match="can't write the report"):
        write_report(Report(MACHINE, 2.0, ()), tmp_path / "absent" / "report.json")
