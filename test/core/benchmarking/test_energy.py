"""Energy sensors, on copies of the files that Linux provides."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import pytest

from opendr_har_core.benchmarking import benchmark
from opendr_har_core.benchmarking.energy import EnergyMeter, SensorError, find_meter

RANGE_UJ = 262_143_328_850


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def rapl_zone(root, zone, name, energy_uj):
    folder = f"sys/class/powercap/{zone}"
    write(root, {f"{folder}/name": name, f"{folder}/energy_uj": energy_uj, f"{folder}/max_energy_range_uj": RANGE_UJ})
    return root / folder / "energy_uj"


def test_rapl_sums_packages_and_memory_and_nothing_twice(tmp_path):
    package = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = rapl_zone(tmp_path, "intel-rapl:1", "package-1", 500_000)
    memory = rapl_zone(tmp_path, "intel-rapl:0:2", "dram", 100_000)
    core = rapl_zone(tmp_path, "intel-rapl:0:0", "core", 0)
    board = rapl_zone(tmp_path, "intel-rapl:2", "psys", 0)
    duplicate = rapl_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    meter = find_meter(tmp_path)
    assert "RAPL" in meter.name
    end = meter.begin()
    package.write_text("4000000\n")
    second.write_text("1500000\n")
    memory.write_text("350000\n")
    for other in (core, board, duplicate):
        other.write_text("9000000\n")
    assert end() == pytest.approx(3.0 + 1.0 + 0.25)


def test_a_counter_that_wraps_counts_on(tmp_path):
    counter = rapl_zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 1_000_000)
    end = find_meter(tmp_path).begin()
    counter.write_text("2000000\n")
    assert end() == pytest.approx(3, abs=1e-5)


def l4t(channel, rail, millivolts, milliamperes):
    folder = "sys/bus/i2c/drivers/ina3221x/7-0040/iio:device0"
    return {
        f"{folder}/rail_name_{channel}": rail,
        f"{folder}/in_voltage{channel}_input": millivolts,
        f"{folder}/in_current{channel}_input": milliamperes,
    }


def hwmon(channel, rail, millivolts, milliamperes):
    folder = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    return {
        f"{folder}/in{channel + 1}_label": rail,
        f"{folder}/in{channel + 1}_input": millivolts,
        f"{folder}/curr{channel + 1}_input": milliamperes,
        f"{folder}/in7_label": "sum of shunt voltages",
        f"{folder}/in7_input": 9000,
    }


@pytest.mark.parametrize("files", [l4t, hwmon])
@pytest.mark.parametrize(
    ("rails", "name", "watts"),
    [
        ({"VDD_IN": (5000, 2000), "VDD_CPU_GPU_CV": (5000, 800), "VDD_SOC": (5000, 300)}, "VDD_IN", 10.0),
        ({"GPU": (10_000, 500), "CPU": (10_000, 300)}, "GPU, CPU", 8.0),
    ],
)
def test_a_jetson_uses_the_rail_that_feeds_all_others_or_else_the_sum(files, rails, name, watts, tmp_path):
    for channel, (rail, values) in enumerate(rails.items()):
        write(tmp_path, files(channel, rail, *values))
    meter = find_meter(tmp_path)
    assert meter.name == f"INA3221 ({name})"
    began, end = time.monotonic(), meter.begin()
    time.sleep(0.05)
    assert 0.05 * watts <= end() <= (time.monotonic() - began) * watts + 1e-9


def test_nvml_counts_the_energy_of_all_gpus_for_work_on_a_gpu_only(tmp_path, monkeypatch):
    counts = [5_000, 7_000]  # millijoules
    nvml = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda index: counts[index],
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    meter = find_meter(tmp_path, on_gpu=True)
    end = meter.begin()
    counts[:] = [6_500, 7_250]
    assert end() == pytest.approx(1.75)
    assert "2 GPUs" in meter.name
    with pytest.raises(SensorError, match="no energy sensor"):
        find_meter(tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    with pytest.raises(SensorError, match="no energy sensor"):
        find_meter(tmp_path, on_gpu=True)


def test_energy_is_reported_per_evaluation(monkeypatch):
    calls = []
    meter = EnergyMeter("a sensor", lambda: lambda: 6.0)
    monkeypatch.setattr(benchmark, "find_meter", lambda on_gpu: meter)
    joules, sensor = benchmark.energy_use(lambda: calls.append(1), 0.01)
    assert (joules, sensor) == (6.0 / len(calls), "a sensor")
