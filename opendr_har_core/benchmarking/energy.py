"""Energy sensors: RAPL of Intel and AMD processors, INA3221 of Jetson boards, NVML of NVIDIA GPUs."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union

from opendr_har_core.errors import HarError

MICRO, MILLI = 1e-6, 1e-3
POWER_PERIOD_SEC = 0.02
# The other RAPL zones (core, uncore, psys) are parts of these, or include them.
RAPL_ZONES = ("package", "dram")
# Files of a Jetson's supply rails, in NVIDIA's own driver and in Linux's: names, millivolts, milliamperes.
RAIL_FILES = (
    ("sys/bus/i2c/drivers/ina3221x/*/iio*device*/rail_name_*", "in_voltage{}_input", "in_current{}_input"),
    ("sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/in*_label", "in{}_input", "curr{}_input"),
)
# Rails that feed all others, and names of no rail.
WHOLE_INPUT = re.compile(r"(VDD_IN|POM_5V_IN)")
NO_RAIL = re.compile(r"(NC|.*sum of shunt.*|)", re.IGNORECASE)
# A function that reads a counter, the joules of one count, and the number of counts after which it wraps to zero.
Counter = Tuple[Callable[[], int], float, int]


class SensorError(HarError):
    """An energy sensor can't be read."""


class EnergyMeter(NamedTuple):
    """The name of a sensor, and a function that begins to measure; the one that it returns ends that, in joules."""

    name: str
    begin: Callable[[], Callable[[], float]]


def find_meter(root: Union[str, Path] = "/", on_gpu: bool = False) -> EnergyMeter:
    """The sensor of the whole board, or else of the GPU or of the processor; raises SensorError where none can be read.

    `root` is the folder that contains `sys`.
    """
    meter = find_ina3221(Path(root)) or (find_nvml() if on_gpu else find_rapl(Path(root)))
    if meter is None:
        raise SensorError("no energy sensor (looked for RAPL, INA3221, NVML)")
    return meter


def find_rapl(root: Path) -> Optional[EnergyMeter]:
    """The counters of processor packages and their memory in Linux's powercap; by default only root can read them."""
    counters: List[Counter] = []
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):  # AMD's zones have this name too
        if _read(zone / "name").startswith(RAPL_ZONES):
            limit = _read(zone / "max_energy_range_uj", int) + 1
            counters.append((partial(_read, zone / "energy_uj", int), MICRO, limit))
    name = f"RAPL ({len(counters)} counters: processor and memory)"
    return EnergyMeter(name, partial(_count, counters)) if counters else None


def find_nvml() -> Optional[EnergyMeter]:
    """The counters of all NVIDIA GPUs since Volta, through the optional package nvidia-ml-py."""
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        counters = [(partial(nvml.nvmlDeviceGetTotalEnergyConsumption, handle), MILLI, 1 << 64) for handle in handles]
        _count(counters)
    except nvml.NVMLError as error:
        raise SensorError(f"nvidia-ml-py is installed, but NVML can't be used: {error}") from None
    return EnergyMeter(f"NVML ({len(counters)} GPUs only)", partial(_count, counters))


def find_ina3221(root: Path) -> Optional[EnergyMeter]:
    """The supply monitors of a Jetson: the rail that feeds all others where there is one, else the sum of all.

    Written to the drivers' documentation and tested on copies of their files, not on a Jetson.
    """
    names = []
    for pattern, volts, amperes in RAIL_FILES:
        for file in sorted(root.glob(pattern)):
            if not NO_RAIL.fullmatch(_read(file)):
                (channel,) = re.findall(r"\d+", file.name)
                names.append((_read(file), *(file.with_name(form.format(channel)) for form in (volts, amperes))))
    rails = [rail for rail in names if WHOLE_INPUT.fullmatch(rail[0])][:1] or names

    def watts() -> float:
        return float(sum(MICRO * _read(volts, int) * _read(amperes, int) for _, volts, amperes in rails))

    name = f"INA3221 ({', '.join(name for name, *_ in rails)})"
    return EnergyMeter(name, partial(_integrate, watts)) if rails else None


def _count(counters: Sequence[Counter]) -> Callable[[], float]:
    """Begin to count; a counter that wraps more than once until the end, as RAPL's after minutes, is not noticed."""
    before = [read() for read, _, _ in counters]
    return lambda: sum((read() - start) % limit * joules for start, (read, joules, limit) in zip(before, counters))


def _integrate(watts: Callable[[], float]) -> Callable[[], float]:
    """Begin to integrate power by the trapezoidal rule, in a thread."""
    stopped, pool = threading.Event(), ThreadPoolExecutor(1)

    def sample(then: float, before: float) -> float:
        joules, is_last = 0.0, False
        while not is_last:
            is_last = stopped.wait(POWER_PERIOD_SEC)
            now, power = time.monotonic(), watts()
            joules += (now - then) * (before + power) / 2
            then, before = now, power
        return joules

    future = pool.submit(sample, time.monotonic(), watts())

    def end() -> float:
        stopped.set()
        pool.shutdown()
        return future.result()

    return end


def _read(path: Path, kind: Callable[[str], Any] = str) -> Any:
    try:
        return kind(path.read_text().strip())
    except PermissionError:
        raise SensorError(f"no permission to read {path}; run as root, or 'sudo chmod a+r {path}'") from None
    except (OSError, ValueError) as error:
        raise SensorError(f"can't read {path}: {error}") from None
