"""What this machine is."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Dict, Optional, Sequence, Union

from opendr_har_core.benchmarking.matmul import matmul_gflops
from opendr_har_core.benchmarking.report import Machine
from opendr_har_core.benchmarking.runners import open_bundle
from opendr_har_core.streaming.recognizer import DEFAULT

# Builds of ONNX Runtime for other devices have other names and the same version numbers.
PACKAGES = {
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"),
    "torch": ("torch",),
}


def describe_machine(threads: Optional[int], providers: Optional[Sequence[str]]) -> Machine:
    """Facts, and the yardstick measured; raises BackendError for a provider that is not available here."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return Machine(
        processor=processor(),
        architecture=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        cores=os.cpu_count() or 1,
        usable_cores=len(usable),
        threads=threads,
        versions=versions(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        matmul_gflops=_matrix_rate(threads, providers),
    )


def measured_again(machine: Machine, providers: Optional[Sequence[str]]) -> Machine:
    """The machine with the better of two measurements of its yardstick: other work only ever lowers it."""
    rate = _matrix_rate(machine.threads, providers)
    return replace(machine, matmul_gflops=max(rate, machine.matmul_gflops))


def _matrix_rate(threads: Optional[int], providers: Optional[Sequence[str]]) -> float:
    return matmul_gflops(threads, open_bundle(DEFAULT, providers, threads).provider)


def processor(root: Union[str, Path] = "/") -> str:
    """The processor's name, or the board's where the processor has none, as on a Jetson."""
    cpu_info, board = Path(root) / "proc/cpuinfo", Path(root) / "proc/device-tree/model"
    if cpu_info.is_file():
        named = re.search(r"^model name\s*: (.+)$", cpu_info.read_text(errors="replace"), re.MULTILINE)
        if named:
            return named[1].strip()
    if board.is_file():
        return board.read_text(errors="replace").strip("\0\n ")
    return platform.processor() or platform.machine()


def versions() -> Dict[str, Optional[str]]:
    """Of what computes; read without importing it."""
    found: Dict[str, Optional[str]] = {"python": platform.python_version()}
    for name, packages in PACKAGES.items():
        found[name] = next(filter(None, map(_version, packages)), None)
    return found


def _version(package: str) -> Optional[str]:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
