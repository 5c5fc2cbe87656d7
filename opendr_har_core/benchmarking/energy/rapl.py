"""RAPL: the energy counters of Intel and AMD processors, in Linux's powercap."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from opendr_har_core.benchmarking.energy.meter import EnergyMeter, SampledMeter, Source
from opendr_har_core.benchmarking.energy.sysfs import read_number, read_text

MICRO = 1e-6
# A counter turns over within minutes under load; it must be looked at more often.
PERIOD_SEC = 1.0
# The other zones (core, uncore, psys) are parts of these, or include them.
COUNTED = ("package", "dram")


def find_rapl(root: Path) -> Optional[EnergyMeter]:
    """RAPL's counters of all processor packages and their memory; None where there are none.

    Raises SensorError where they are there and can't be read: Linux keeps them for root.
    """
    counters: List[Source] = []
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):  # AMD's have this name too
        if read_text(zone / "name").startswith(COUNTED):
            counter = Counter(zone / "energy_uj", read_number(zone / "max_energy_range_uj"))
            counter.begin()
            counters.append(counter)
    if not counters:
        return None
    return SampledMeter(f"RAPL ({len(counters)} counters: processor and memory)", counters, PERIOD_SEC)


class Counter:
    """A file that counts microjoules up to `limit` and begins again at zero."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self._last = 0

    def begin(self) -> None:
        """Take the present count as the start."""
        self._last = read_number(self._path)

    def advance(self) -> float:
        """Joules since the last look; right if the counter turned over at most once meanwhile."""
        now = read_number(self._path)
        passed = now - self._last
        self._last = now
        return (passed if passed >= 0 else passed + self._limit + 1) * MICRO
