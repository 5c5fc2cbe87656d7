"""Energy sensors, on copies of the files that Linux provides."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from opendr_har_core.benchmarking.energy.meter import Power, SensorError
from opendr_har_core.benchmarking.energy.sensors import find_meter
from opendr_har_core.benchmarking.measure import energy_use

NOBODY = 65534
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


def assert_measures(meter, watts):
    begin = time.monotonic()
    meter.start()
    time.sleep(0.05)
    assert 0.05 * watts <= meter.stop() <= (time.monotonic() - begin) * watts + 1e-9


def test_rapl_sums_packages_and_memory_and_nothing_twice(tmp_path):
    package = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = rapl_zone(tmp_path, "intel-rapl:1", "package-1", 500_000)
    memory = rapl_zone(tmp_path, "intel-rapl:0:2", "dram", 100_000)
    core = rapl_zone(tmp_path, "intel-rapl:0:0", "core", 0)
    board = rapl_zone(tmp_path, "intel-rapl:2", "psys", 0)
    duplicate = rapl_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    meter, _ = find_meter(tmp_path)
    assert "RAPL" in meter.name
    meter.start()
    package.write_text("4000000\n")
    second.write_text("1500000\n")
    memory.write_text("350000\n")
    for other in (core, board, duplicate):
        other.write_text("9000000\n")
    assert meter.stop() == pytest.approx(3.0 + 1.0 + 0.25)


def test_a_meter_measures_repeatedly_also_when_the_counter_wraps(tmp_path):
    counter = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter, _ = find_meter(tmp_path)
    for before, after, joules in ((0, 1_000_000, 1), (RANGE_UJ - 1_000_000, 2_000_000, 3)):
        counter.write_text(f"{before}\n")
        meter.start()
        counter.write_text(f"{after}\n")
        assert meter.stop() == pytest.approx(joules, abs=1e-5)
    with pytest.raises(SensorError, match="not measuring"):
        meter.stop()
    meter.start()
    with pytest.raises(SensorError, match="already measuring"):
        meter.start()
    counter.unlink()
    with pytest.raises(SensorError, match="can't read"):
        meter.stop()


def test_a_counter_without_permission_is_named():
    with tempfile.TemporaryDirectory() as folder:  # other users can't enter pytest's own temporary folders
        root = Path(folder)
        root.chmod(0o755)
        counter = rapl_zone(root, "intel-rapl:0", "package-0", 1_000_000)
        counter.chmod(stat.S_IRUSR if os.geteuid() == 0 else 0)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        try:
            meter, (remark,) = find_meter(root)
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
    assert meter is None
    assert f"no permission to read {counter}" in remark


def test_a_sensor_with_invalid_files_is_named(tmp_path):
    rapl_zone(tmp_path, "intel-rapl:0", "package-0", "out of order")
    meter, (remark,) = find_meter(tmp_path)
    assert meter is None
    assert "'out of order', expected a whole number" in remark


L4T, HWMON = "sys/bus/i2c/drivers/ina3221x/7-0040/iio:device0", "sys/class/hwmon/hwmon3"


@pytest.mark.parametrize(
    ("rails", "name", "watts"),
    [
        ({"VDD_IN": (5000, 2000), "VDD_CPU_GPU_CV": (5000, 800), "VDD_SOC": (5000, 300)}, "VDD_IN", 10.0),
        ({"GPU": (10_000, 500), "CPU": (10_000, 300), "NC": (10_000, 9000)}, "GPU, CPU", 8.0),
    ],
)
def test_l4t_uses_the_rail_that_feeds_all_others_or_else_the_sum(rails, name, watts, tmp_path):
    for channel, (rail, (millivolts, milliamperes)) in enumerate(rails.items()):
        write(tmp_path, {f"{L4T}/rail_name_{channel}": rail, f"{L4T}/in_voltage{channel}_input": millivolts})
        write(tmp_path, {f"{L4T}/in_current{channel}_input": milliamperes})
    meter, _ = find_meter(tmp_path)
    assert meter.name == f"INA3221 ({name})"
    assert_measures(meter, watts)


def test_hwmon_channels_are_summed_without_the_sum_of_shunts(tmp_path):
    other = "sys/class/hwmon/hwmon0"
    write(tmp_path, {f"{other}/name": "acpitz", f"{other}/in1_label": "VDD_IN", f"{HWMON}/name": "ina3221"})
    rails = (("VDD_GPU_SOC", 20_000, 400), ("VDD_CPU_CV", 20_000, 100), ("VIN_SYS_5V0", 5000, 1000))
    for channel, (label, millivolts, milliamperes) in enumerate(rails, start=1):
        write(tmp_path, {f"{HWMON}/in{channel}_label": label, f"{HWMON}/in{channel}_input": millivolts})
        write(tmp_path, {f"{HWMON}/curr{channel}_input": milliamperes})
    write(tmp_path, {f"{HWMON}/in7_label": "sum of shunt voltages", f"{HWMON}/in7_input": 9000})
    meter, _ = find_meter(tmp_path)
    assert meter.name == "INA3221 (VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0)"
    assert_measures(meter, 8.0 + 2.0 + 5.0)


def test_power_is_integrated_between_its_samples():
    samples = iter([(0.0, 10.0), (1.0, 20.0), (4.0, 0.0)])
    now = [0.0, 0.0]

    def clock():
        now[:] = next(samples)
        return now[0]

    power = Power(lambda: now[1], clock)
    assert power() == pytest.approx(15.0)
    assert power() == pytest.approx(30.0)


@pytest.fixture
def nvml(monkeypatch):
    """Install a fake pynvml with two GPUs: nvml(**functions) -> their counts in millijoules."""

    class NVMLError(Exception):
        pass

    def make(**functions):
        counts = [5_000, 7_000]
        module = SimpleNamespace(
            NVMLError=NVMLError,
            nvmlInit=lambda: None,
            nvmlDeviceGetCount=lambda: 2,
            nvmlDeviceGetHandleByIndex=lambda index: index,
            nvmlDeviceGetTotalEnergyConsumption=lambda index: counts[index],
            nvmlDeviceGetPowerUsage=lambda index: 50_000,
        )
        for name, error in functions.items():

            def fail(*_, error=error):
                raise NVMLError(error)

            setattr(module, name, fail)
        monkeypatch.setitem(sys.modules, "pynvml", module)
        return counts

    return make


def test_nvml_counts_the_energy_of_all_gpus_for_work_on_a_gpu_only(tmp_path, nvml):
    counts = nvml()
    meter, _ = find_meter(tmp_path, on_gpu=True)
    meter.start()
    counts[:] = [6_500, 7_250]
    assert meter.stop() == pytest.approx(1.75)
    assert "2 GPUs" in meter.name
    assert find_meter(tmp_path) == (None, ())


def test_the_power_of_an_old_gpu_is_sampled_and_a_missing_driver_is_named(tmp_path, nvml):
    nvml(nvmlDeviceGetTotalEnergyConsumption="Not Supported")
    assert_measures(find_meter(tmp_path, on_gpu=True)[0], 100.0)
    nvml(nvmlInit="Driver Not Loaded")
    meter, (remark,) = find_meter(tmp_path, on_gpu=True)
    assert meter is None
    assert "can't be used: Driver Not Loaded" in remark


def test_a_machine_without_sensors_has_no_meter(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # nvidia-ml-py is not installed
    assert find_meter(tmp_path) == find_meter(tmp_path, on_gpu=True) == (None, ())


def meter_of(*joules):
    """A meter that returns these joules, one measurement after the other; None is a failure."""
    values = iter(joules)

    def stop():
        value = next(values)
        if value is None:
            raise SensorError("the sensor broke")
        return value

    return SimpleNamespace(name="a sensor", start=lambda: None, stop=stop)


def test_energy_is_reported_per_evaluation_and_above_idle():
    calls = []
    use, remark = energy_use(lambda: calls.append(1), 0.01, meter_of(0.0, 6.0))
    timed = len(calls) - 1  # the first is a warm-up
    assert (use.joules, use.joules_above_idle, use.idle_watts) == (6.0 / timed, 6.0 / timed, 0.0)
    assert remark == ""
    idle, _ = energy_use(lambda: None, 0.01, meter_of(5.0, 5.0))
    assert idle.idle_watts > 0
    assert idle.joules_above_idle < idle.joules


@pytest.mark.parametrize(
    ("meter", "remarks", "expected"),
    [
        (None, (), "no readable energy sensor (looked for RAPL, INA3221, NVML)"),
        (None, ("locked",), "no readable energy sensor (looked for RAPL, INA3221, NVML); locked"),
        (meter_of(1.0, None), (), "the sensor broke"),
    ],
)
def test_without_energy_the_reason_is_reported(meter, remarks, expected):
    assert energy_use(lambda: None, 0.01, meter, remarks) == (None, expected)
