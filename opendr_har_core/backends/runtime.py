"""ONNX Runtime without telemetry, and the description of this machine that tuned bundles depend on.

Since 1.29, ONNX Runtime's Linux builds write an identifier and a database to the home folder on import and report which
models run. The variable must be set before the import; set ORT_DISABLE_TELEMETRY=0 to enable telemetry.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

if os.environ["ORT_DISABLE_TELEMETRY"] == "1" and hasattr(ort, "disable_telemetry_events"):
    ort.disable_telemetry_events()  # for a program that imported it earlier

__all__ = ["ort", "this_machine"]


def this_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """ONNX Runtime's version and the kind of processor: what the memory layout of its convolutions depends on."""
    try:
        has_avx512 = " avx512f" in cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        has_avx512 = False
    return f"ONNX Runtime {ort.__version__} on {platform.machine()}{' with AVX-512' if has_avx512 else ''}"
