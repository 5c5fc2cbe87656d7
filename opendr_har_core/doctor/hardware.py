"""How much processor and memory there is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, List, Union

from opendr_har_core.backends.session import session_settings
from opendr_har_core.benchmarking.machine import processor
from opendr_har_core.doctor.report import Fact, Finding, Section

GIBIBYTE = 1 << 20  # in the kibibytes of /proc
# The largest model with its runtime takes less; under this the system begins to swap or to kill.
LITTLE_KIB = 512 << 10


def machine(root: Union[str, Path] = "/") -> Section:
    """Processor, cores, threads, memory; `root` is where /proc is found."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    facts: List[Fact] = [
        ("processor", processor(root)),
        ("cores", f"{os.cpu_count() or 1}, usable here: {usable}"),
        ("threads by default", str(session_settings().threads)),
    ]
    if hasattr(os, "getloadavg"):
        facts.append(("load", f"{os.getloadavg()[0]:.1f} over the last minute"))
    memory = _memory_kib(Path(root) / "proc" / "meminfo")
    if not memory:
        return Section("Machine", tuple(facts))
    free, total = memory["MemAvailable"], memory["MemTotal"]
    facts.append(("memory", f"{total / GIBIBYTE:.1f} GiB, available: {free / GIBIBYTE:.1f} GiB"))
    findings = [
        Finding(f"only {free >> 10} MiB of memory are available", "end what is not needed, or use a smaller model")
    ]
    return Section("Machine", tuple(facts), tuple(findings if free < LITTLE_KIB else ()))


def _memory_kib(path: Path) -> Dict[str, int]:
    """Linux's own account; empty where there is none."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    found = {name: int(size) for name, size in re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", text, re.MULTILINE)}
    return found if len(found) == 2 else {}
