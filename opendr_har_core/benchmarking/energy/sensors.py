"""Energy sensors: RAPL of Intel and AMD processors, INA3221 of Jetson boards, NVML of NVIDIA GPUs."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional, Tuple, Union

from opendr_har_core.benchmarking.energy.meter import Counter, EnergyMeter, Power, SensorError

SENSORS = "RAPL, INA3221, NVML"
MICRO, MILLI = 1e-6, 1e-3
POWER_PERIOD_SEC = 0.02
# A RAPL counter wraps within minutes under load, so it has to be read more often than that.
COUNTER_PERIOD_SEC = 1.0
# The other RAPL zones (core, uncore, psys) are parts of these, or include them.
RAPL_ZONES = ("package", "dram")
INA3221_CHANNELS = (1, 2, 3)
# Rails of a Jetson that feed all others.
WHOLE_INPUT = re.compile(r"(VDD_IN|POM_5V_IN)")
NO_RAIL = re.compile(r"(NC|.*sum of shunt.*|)", re.IGNORECASE)


def find_meter(root: Union[str, Path] = "/", on_gpu: bool = False) -> Tuple[Optional[EnergyMeter], Tuple[str, ...]]:
    """(meter, remarks): the best readable sensor, or None, and why other sensors can't be used.

    `root` is the folder that contains `sys`. A sensor of the whole board is preferred. Otherwise `on_gpu` selects the
    GPU's own sensor, which does not cover the processor, instead of the processor's.
    """
    remarks: List[str] = []
    finders: Tuple[Callable[[Path], Optional[EnergyMeter]], ...] = (find_ina3221, find_nvml if on_gpu else find_rapl)
    for find in finders:
        try:
            meter = find(Path(root))
        except SensorError as error:
            remarks.append(str(error))
        else:
            if meter is not None:
                return meter, tuple(remarks)
    return None, tuple(remarks)


def find_rapl(root: Path) -> Optional[EnergyMeter]:
    """The RAPL counters of all processor packages and their memory in Linux's powercap; None where there are none.

    Raises SensorError where the counters can't be read: by default only root can.
    """
    counters = []
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):  # AMD's zones have this name too
        if _read_text(zone / "name").startswith(RAPL_ZONES):
            limit = _read_number(zone / "max_energy_range_uj")
            counters.append(Counter(partial(_read_number, zone / "energy_uj"), MICRO, limit))
    if not counters:
        return None
    return EnergyMeter(f"RAPL ({len(counters)} counters: processor and memory)", counters, COUNTER_PERIOD_SEC)


def find_ina3221(root: Path) -> Optional[EnergyMeter]:
    """The supply monitors of a Jetson, through the L4T driver or hwmon; None where there are none.

    Uses the rail that feeds all others where there is one, else the sum of the named rails. Written to the drivers'
    documentation and tested on copies of their files, not on a Jetson.
    """
    rails = [*_l4t_rails(root), *_hwmon_rails(root)]
    if not rails:
        return None
    whole = [rail for rail in rails if WHOLE_INPUT.fullmatch(rail.name)]
    chosen = whole[:1] or rails
    name = f"INA3221 ({', '.join(rail.name for rail in chosen)})"
    return EnergyMeter(name, [Power(rail.watts) for rail in chosen], POWER_PERIOD_SEC)


def find_nvml(root: Path) -> Optional[EnergyMeter]:
    """All NVIDIA GPUs, through the optional package nvidia-ml-py; None where it is not installed.

    GPUs since Volta count their energy; the power of older ones is sampled. Raises SensorError where NVML fails.
    `root` is not used: NVML has no files.
    """
    try:
        pynvml: Any = import_module("pynvml")
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        sources = [_nvml_source(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)]
    except pynvml.NVMLError as error:
        raise SensorError(f"nvidia-ml-py is installed, but NVML can't be used: {error}") from None
    return EnergyMeter(f"NVML ({count} GPUs only)", sources, POWER_PERIOD_SEC) if sources else None


class Rail(NamedTuple):
    """One channel of a supply monitor; the files contain millivolts and milliamperes."""

    name: str
    voltage: Path
    current: Path

    def watts(self) -> float:
        """Current power; raises SensorError where the files can't be read."""
        return _read_number(self.voltage) * _read_number(self.current) * MICRO


def _l4t_rails(root: Path) -> List[Rail]:
    """/sys/bus/i2c/drivers/ina3221x/1-0040/iio:device0/{rail_name_0,in_voltage0_input,in_current0_input}."""
    rails = []
    for file in sorted((root / "sys/bus/i2c/drivers/ina3221x").glob("*/iio*device*/rail_name_*")):
        channel, name = file.name[len("rail_name_") :], _read_text(file)
        if not NO_RAIL.fullmatch(name):
            folder = file.parent
            rails.append(Rail(name, folder / f"in_voltage{channel}_input", folder / f"in_current{channel}_input"))
    return rails


def _hwmon_rails(root: Path) -> List[Rail]:
    """/sys/class/hwmon/hwmon3/{name,in1_label,in1_input,curr1_input}, three channels a chip."""
    rails = []
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if not (chip / "name").is_file() or _read_text(chip / "name") != "ina3221":
            continue
        for channel in INA3221_CHANNELS:
            label = chip / f"in{channel}_label"
            if label.is_file() and not NO_RAIL.fullmatch(_read_text(label)):
                rails.append(Rail(_read_text(label), chip / f"in{channel}_input", chip / f"curr{channel}_input"))
    return rails


def _nvml_source(nvml: Any, handle: Any) -> Callable[[], float]:
    def read(function: Callable[[Any], int]) -> int:
        try:
            return function(handle)
        except nvml.NVMLError as error:
            raise SensorError(f"NVML failed: {error}") from None

    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:  # a GPU older than Volta
        return Power(lambda: read(nvml.nvmlDeviceGetPowerUsage) * MILLI)
    return Counter(lambda: read(nvml.nvmlDeviceGetTotalEnergyConsumption), MILLI)


def _read_number(path: Path) -> int:
    text = _read_text(path)
    try:
        return int(text)
    except ValueError:
        raise SensorError(f"{path} contains {text[:40]!r}, expected a whole number") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except PermissionError:
        raise SensorError(f"no permission to read {path}; run as root, or 'sudo chmod a+r {path}'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SensorError(f"can't read {path}: {error}") from None
