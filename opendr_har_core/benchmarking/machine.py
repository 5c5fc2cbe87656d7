"""This machine: processor, versions of the libraries that compute, load and memory."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Dict, Mapping, Optional

PROC = Path("/proc")
# Builds of ONNX Runtime for other devices have other names and the same version numbers.
PACKAGES = {
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"),
    "torch": ("torch",),
}


@dataclass(frozen=True)
class ProcessMemory:
    """Resident memory of a process, in bytes: now, and the peak since it started."""

    rss_bytes: int
    peak_bytes: int


def process_memory(pid: Optional[int] = None) -> Optional[ProcessMemory]:
    """Memory of process `pid` (default: this one); None where the system has no /proc or the process ended.

    Reads VmHWM, since getrusage's peak starts at the memory of the parent process, and psutil has no peak.
    """
    status = PROC / ("self" if pid is None else str(pid)) / "status"
    rss, peak = _entry(status, "VmRSS"), _entry(status, "VmHWM")
    return None if rss is None or peak is None else ProcessMemory(rss, peak)


def available_bytes() -> Optional[int]:
    """Memory available without swapping, in bytes; None where the system has no /proc."""
    return _entry(PROC / "meminfo", "MemAvailable")


def total_bytes() -> Optional[int]:
    """Memory of the machine, in bytes; None where the system has no /proc."""
    return _entry(PROC / "meminfo", "MemTotal")


def _entry(path: Path, name: str) -> Optional[int]:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def processor() -> str:
    """Name of the processor, or of the board where the processor has none, as on a Jetson."""
    cpu_info, board = PROC / "cpuinfo", PROC / "device-tree/model"
    if cpu_info.is_file():
        named = re.search(r"^model name\s*: (.+)$", cpu_info.read_text(errors="replace"), re.MULTILINE)
        if named:
            return named[1].strip()
    if board.is_file():
        return board.read_text(errors="replace").strip("\0\n ")
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    from opendr_har_core.backends.session import usable_cores  # loads ONNX Runtime

    return usable_cores()


def load() -> Optional[float]:
    """Processes that were running or waiting in the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def versions() -> Dict[str, Optional[str]]:
    """Versions of Python and of the libraries that compute, without importing them; None for those not installed."""
    return {"python": platform.python_version(), **{name: installed(*names) for name, names in PACKAGES.items()}}


def installed(*packages: str) -> Optional[str]:
    """Version of the first of these packages that is installed; packages from apt are unknown to Python's metadata."""
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


@dataclass(frozen=True)
class Machine:
    """The machine of a measurement; the load is that of the minute before."""

    processor: str = field(default_factory=processor)
    system: str = field(default_factory=platform.platform)
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    usable_cores: int = field(default_factory=_usable_cores)
    versions: Mapping[str, Optional[str]] = field(default_factory=versions)
    load: Optional[float] = field(default_factory=load)
