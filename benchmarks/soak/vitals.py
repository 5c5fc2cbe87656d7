"""What a process holds, over time: memory, threads, open files; Linux's /proc."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np

# Caches fill and allocators settle in the beginning.
SETTLED_AFTER = 1 / 3


@dataclass(frozen=True)
class Vitals:
    """A look at a process; memory in kB, `at` in whatever the caller counts."""

    at: float
    rss_kb: int
    threads: int
    files: int


def vitals(pid: int, at: float) -> Vitals:
    """How the process is doing now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Vitals(at, int(status["VmRSS"].split()[0]), int(status["Threads"]), files)


def drift(looks: Sequence[Vitals], unit: float) -> Dict[str, float]:
    """How memory (kB for each `unit` of `at`) and the numbers of threads and files change once all has settled."""
    settled = list(looks)[int(SETTLED_AFTER * len(looks)) :]
    slope = np.polyfit([look.at / unit for look in settled], [look.rss_kb for look in settled], 1)[0]
    return {
        "rss_first_kb": settled[0].rss_kb,
        "rss_last_kb": settled[-1].rss_kb,
        "rss_slope_kb": float(slope),
        "threads_range": max(look.threads for look in settled) - min(look.threads for look in settled),
        "files_range": max(look.files for look in settled) - min(look.files for look in settled),
    }


def latency_drift(values: List[float]) -> Dict[str, float]:
    """Median of the last third against that of the middle one."""
    third = len(values) // 3
    middle, last = statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])
    return {"middle_ms": 1000 * middle, "last_ms": 1000 * last, "ratio": last / middle}
