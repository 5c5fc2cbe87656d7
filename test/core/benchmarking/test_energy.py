"""Energy sensors, on files like those that Linux shows."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from opendr_har_core.benchmarking.energy import SensorError, find_meter, survey
from opendr_har_core.benchmarking.energy.meter import Integral, SampledMeter
from opendr_har_core.benchmarking.energy.nvml import find_nvml

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


def test_a_machine_without_sensors_has_none(tmp_path):
    assert find_meter(tmp_path) is None
    assert survey(tmp_path).remarks == ()


def test_rapl_adds_up_packages_and_memory_and_nothing_twice(tmp_path):
    package = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = rapl_zone(tmp_path, "intel-rapl:1", "package-1", 500_000)
    memory = rapl_zone(tmp_path, "intel-rapl:0:2", "dram", 100_000)
    core = rapl_zone(tmp_path, "intel-rapl:0:0", "core", 0)
    board = rapl_zone(tmp_path, "intel-rapl:2", "psys", 0)
    again = rapl_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    meter = find_meter(tmp_path)
    assert "RAPL" in meter.name
    meter.start()
    package.write_text("4000000\n")
    second.write_text("1500000\n")
    memory.write_text("350000\n")
    for other in (core, board, again):
        other.write_text("9000000\n")
    assert meter.stop() == pytest.approx(3.0 + 1.0 + 0.25)


def test_a_rapl_counter_that_turns_over_goes_on(tmp_path):
    counter = rapl_zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 1_000_000)
    meter = find_meter(tmp_path)
    meter.start()
    counter.write_text("2000000\n")
    assert meter.stop() == pytest.approx(3.0, abs=1e-5)


def test_a_meter_measures_again_and_again(tmp_path):
    counter = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = find_meter(tmp_path)
    for joules in (1, 2):
        meter.start()
        counter.write_text(f"{int(counter.read_text()) + joules * 1_000_000}\n")
        assert meter.stop() == pytest.approx(joules)
    with pytest.raises(SensorError, match="not measuring"):
        meter.stop()
    meter.start()
    with pytest.raises(SensorError, match="measuring already"):
        meter.start()
    meter.stop()


def test_a_counter_that_nobody_may_read_is_named():
    """As Linux has it: RAPL's counters are for root alone."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own temporary folders can't be entered by others
        root = Path(folder)
        root.chmod(0o755)
        counter = rapl_zone(root, "intel-rapl:0", "package-0", 1_000_000)
        counter.chmod(stat.S_IRUSR if os.geteuid() == 0 else 0)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        try:
            found = survey(root)
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
    assert found.meter is None
    assert "no permission" in found.remarks[0]
    assert str(counter) in found.remarks[0]


def test_a_sensor_with_nonsense_in_its_files_is_named(tmp_path):
    rapl_zone(tmp_path, "intel-rapl:0", "package-0", "out of order")
    found = survey(tmp_path)
    assert found.meter is None
    assert "'out of order', expected a whole number" in found.remarks[0]


def test_a_counter_that_vanishes_is_an_error_not_a_number(tmp_path):
    counter = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = find_meter(tmp_path)
    meter.start()
    counter.unlink()
    with pytest.raises(SensorError, match="can't read"):
        meter.stop()


L4T = "sys/bus/i2c/drivers/ina3221x/7-0040/iio:device0"


def l4t_rail(root, channel, name, millivolts, milliamperes):
    write(
        root,
        {
            f"{L4T}/rail_name_{channel}": name,
            f"{L4T}/in_voltage{channel}_input": millivolts,
            f"{L4T}/in_current{channel}_input": milliamperes,
        },
    )


def power_of(meter):
    """What the meter's sources see, by a clock that the test sets."""
    seconds = [0.0]
    for source in meter._sources:
        source._clock = lambda: seconds[0]
        source.begin()
    seconds[0] = 2.0
    return sum(source.advance() for source in meter._sources) / 2.0


def test_l4t_takes_the_rail_that_feeds_all_others(tmp_path):
    l4t_rail(tmp_path, 0, "VDD_IN", 5000, 2000)
    l4t_rail(tmp_path, 1, "VDD_CPU_GPU_CV", 5000, 800)
    l4t_rail(tmp_path, 2, "VDD_SOC", 5000, 300)
    meter = find_meter(tmp_path)
    assert meter.name == "INA3221 (VDD_IN)"
    assert power_of(meter) == pytest.approx(10.0)


def test_l4t_adds_up_the_rails_where_none_feeds_all(tmp_path):
    l4t_rail(tmp_path, 0, "GPU", 10_000, 500)
    l4t_rail(tmp_path, 1, "CPU", 10_000, 300)
    l4t_rail(tmp_path, 2, "NC", 10_000, 9000)
    meter = find_meter(tmp_path)
    assert meter.name == "INA3221 (GPU, CPU)"
    assert power_of(meter) == pytest.approx(8.0)


def test_hwmon_channels_are_read_and_its_sum_of_shunts_is_not(tmp_path):
    chip, other = "sys/class/hwmon/hwmon3", "sys/class/hwmon/hwmon0"
    write(tmp_path, {f"{other}/name": "acpitz", f"{other}/in1_label": "VDD_IN", f"{chip}/name": "ina3221"})
    rails = (("VDD_GPU_SOC", 20_000, 400), ("VDD_CPU_CV", 20_000, 100), ("VIN_SYS_5V0", 5000, 1000))
    for channel, (label, millivolts, milliamperes) in enumerate(rails, start=1):
        write(tmp_path, {f"{chip}/in{channel}_label": label, f"{chip}/in{channel}_input": millivolts})
        write(tmp_path, {f"{chip}/curr{channel}_input": milliamperes})
    write(tmp_path, {f"{chip}/in7_label": "sum of shunt voltages", f"{chip}/in7_input": 9000})
    meter = find_meter(tmp_path)
    assert meter.name == "INA3221 (VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0)"
    assert power_of(meter) == pytest.approx(8.0 + 2.0 + 5.0)


def test_power_is_integrated_between_its_samples():
    samples = iter([(0.0, 10.0), (1.0, 20.0), (4.0, 0.0)])
    now = [0.0]

    def watts():
        return now[1]

    def clock():
        now[:] = next(samples)
        return now[0]

    integral = Integral(watts, clock)
    integral.begin()
    assert integral.advance() == pytest.approx(15.0)
    assert integral.advance() == pytest.approx(30.0)


def test_the_thread_looks_while_something_runs():
    looked = threading.Event()

    class Source:
        looks = 0

        def begin(self):
            self.looks = 0

        def advance(self):
            self.looks += 1
            if self.looks == 3:
                looked.set()
            return 1.0

    source = Source()
    meter = SampledMeter("a test", [source], 0.001)
    meter.start()
    assert looked.wait(10)
    assert meter.stop() == source.looks >= 4


FAKE_NVML = """
class NVMLError(Exception): pass
joules = [5_000, 7_000]
def nvmlInit(): {init}
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetTotalEnergyConsumption(index): {energy}
def nvmlDeviceGetPowerUsage(index): return 50_000
"""


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    """Writes a module with NVML's functions and returns its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name, init="pass", energy="return joules[index]"):
        (tmp_path / f"{name}.py").write_text(FAKE_NVML.format(init=init, energy=energy))
        return name

    yield make
    for name in [name for name in sys.modules if name.startswith("fake_nvml")]:
        del sys.modules[name]


def test_nvml_counts_the_energy_of_all_gpus(tmp_path, nvml):
    meter = find_nvml(tmp_path, nvml("fake_nvml_new"))
    meter.start()
    sys.modules["fake_nvml_new"].joules[:] = [6_500, 7_250]
    assert meter.stop() == pytest.approx(1.75)
    assert "2 GPUs" in meter.name


def test_the_power_of_an_old_gpu_is_sampled(tmp_path, nvml):
    meter = find_nvml(tmp_path, nvml("fake_nvml_old", energy="raise NVMLError('Not Supported')"))
    assert power_of(meter) == pytest.approx(100.0)


def test_nvml_without_a_driver_says_so(tmp_path, nvml):
    with pytest.raises(SensorError, match="can't be used: Driver Not Loaded"):
        find_nvml(tmp_path, nvml("fake_nvml_none", init="raise NVMLError('Driver Not Loaded')"))


def test_a_machine_without_nvml_has_none(tmp_path):
    assert find_nvml(tmp_path, "no_such_module_as_nvml") is None


def test_the_gpus_own_sensor_is_not_asked_for_work_of_the_processor(tmp_path, nvml, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", __import__(nvml("fake_nvml_here")))
    assert find_meter(tmp_path) is None
    assert "NVML" in find_meter(tmp_path, on_gpu=True).name
