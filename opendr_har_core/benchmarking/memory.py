"""Memory of processes and of the machine, read from Linux's /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessMemory:
    """Resident memory of a process, in bytes: now, and the peak since it started."""

    rss_bytes: int
    peak_bytes: int


def process_memory(pid: Optional[int] = None, proc: Path = PROC) -> Optional[ProcessMemory]:
    """Memory of process `pid` (default: this one); None where the system has no /proc or the process ended.

    Reads VmHWM, since getrusage's peak starts at the memory of the parent process, and psutil has no peak.
    """
    status = proc / ("self" if pid is None else str(pid)) / "status"
    rss, peak = _entry(status, "VmRSS"), _entry(status, "VmHWM")
    return None if rss is None or peak is None else ProcessMemory(rss, peak)


def available_bytes(proc: Path = PROC) -> Optional[int]:
    """Memory available without swapping, in bytes; None where the system has no /proc."""
    return _entry(proc / "meminfo", "MemAvailable")


def _entry(path: Path, name: str) -> Optional[int]:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
