"""How busy others keep the machine: times are only worth as much as it is quiet.

A ratio does not mend that: an operator of torch ends when its slowest thread does, so that a second busy program can
make a peer many times slower while one that waits differently loses little.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic, process_time, sleep
from typing import Tuple

QUIET = 0.1
LOOK_SEC = 0.3
IDLE_FIELDS = (3, 4)  # of the first line of /proc/stat: idle, iowait
COUNTED = 8  # user nice system idle iowait irq softirq steal; guests are part of user


class OthersWatch:
    """Watches from its creation on."""

    def __init__(self) -> None:
        self._busy, self._total = _cpu_seconds()
        self._own = process_time()

    def share(self) -> float:
        """The part of all cores' time, 0..1, that went to other processes or was taken by a hypervisor."""
        busy, total = _cpu_seconds()
        own = process_time() - self._own
        return max(0.0, busy - self._busy - own) / max(total - self._total, 1e-3)


def wait_until_quiet(patience_sec: float) -> None:
    """Return when others use less than QUIET of the machine, at the latest after `patience_sec`."""
    end = monotonic() + patience_sec
    while monotonic() < end:
        watch = OthersWatch()
        sleep(LOOK_SEC)
        if watch.share() < QUIET:
            return


def _cpu_seconds() -> Tuple[float, float]:
    """Busy and total seconds of all cores together, since boot."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        ticks = [int(field) for field in file.readline().split()[1 : COUNTED + 1]]
    idle = sum(ticks[index] for index in IDLE_FIELDS)
    per_second = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - idle) / per_second, sum(ticks) / per_second
