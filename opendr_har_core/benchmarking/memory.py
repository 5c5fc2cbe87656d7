"""Memory of this process and of this machine, as Linux tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

PROC = Path("/proc")


def peak_rss_bytes(proc: Path = PROC) -> Optional[int]:
    """The most memory this process has ever had resident, in bytes; None on a system that does not say.

    Not getrusage's figure: that one begins with the memory of the process that started this one.
    """
    return _entry(proc / "self/status", "VmHWM")


def available_bytes(proc: Path = PROC) -> Optional[int]:
    """Memory that new work can have without swapping, in bytes; None on a system that does not say."""
    return _entry(proc / "meminfo", "MemAvailable")


def _entry(path: Path, name: str) -> Optional[int]:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
