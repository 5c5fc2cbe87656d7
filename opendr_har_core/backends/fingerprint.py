"""What a tuned graph depends on: the runtime's version and the processor's vector width."""

from __future__ import annotations

import platform
from pathlib import Path

from opendr_har_core.backends.runtime import ort
from opendr_har_core.errors import ModelError

CPUINFO = Path("/proc/cpuinfo")


def this_machine(cpuinfo: Path = CPUINFO) -> str:
    """ONNX Runtime's version and the kind of processor, as far as the memory layout of its convolutions goes."""
    return f"ONNX Runtime {ort.__version__} on {platform.machine()}{_vectors(cpuinfo)}"


def check_tuned_for(tuned_for: str, where: str) -> None:
    """Raise ModelError for a graph that was tuned for something else than this machine; '' runs anywhere."""
    here = this_machine()
    if tuned_for and tuned_for != here:
        raise ModelError(
            f"{where} was tuned for {tuned_for}, this is {here}; use the bundle that it was made from, or tune it here"
        )


def _vectors(cpuinfo: Path) -> str:
    try:
        text = cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return " with AVX-512" if " avx512f" in text else ""
