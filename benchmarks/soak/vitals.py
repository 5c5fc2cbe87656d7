"""Memory, threads and open files of a process over time, and whether they stay flat."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Dict, List, Sequence

import numpy as np
import psutil

# At first caches fill and allocators settle.
SETTLED_AFTER = 1 / 3


@dataclass(frozen=True)
class Vitals:
    """One sample of a process; `at` counts whatever the caller counts."""

    at: float
    rss_kb: int
    threads: int
    files: int


def vitals(pid: int, at: float) -> Vitals:
    """Sample a process now."""
    process = psutil.Process(pid)
    return Vitals(at, process.memory_info().rss >> 10, process.num_threads(), process.num_fds())


def drift(samples: Sequence[Vitals], unit: float) -> Dict[str, float]:
    """Change of memory (kB per `unit` of `at`) and of the numbers of threads and files after the first third."""
    settled = list(samples)[int(SETTLED_AFTER * len(samples)) :]
    slope = np.polyfit([sample.at / unit for sample in settled], [sample.rss_kb for sample in settled], 1)[0]
    return {
        "rss_first_kb": settled[0].rss_kb,
        "rss_last_kb": settled[-1].rss_kb,
        "rss_slope_kb": float(slope),
        "threads_range": max(sample.threads for sample in settled) - min(sample.threads for sample in settled),
        "files_range": max(sample.files for sample in settled) - min(sample.files for sample in settled),
    }


def latency_drift(values: List[float]) -> Dict[str, float]:
    """Median of the last third compared with that of the middle third."""
    third = len(values) // 3
    middle, last = statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])
    return {"middle_ms": 1000 * middle, "last_ms": 1000 * last, "ratio": last / middle}
