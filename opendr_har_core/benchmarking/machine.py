"""Description of this machine: processor, versions, load, and its rate at a matrix product."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Union

import numpy as np

from opendr_har_core.benchmarking.timing import time_calls
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.settings import ModelSettings

# Builds of ONNX Runtime for other devices have other names and the same version numbers.
PACKAGES = {
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"),
    "torch": ("torch",),
}
SIDE = 2048
SECONDS = 1.0


@dataclass(frozen=True)
class Machine:
    """The machine of a measurement.

    Attributes:
        processor, architecture, system: for people.
        cores: logical cores of the machine; usable_cores: those that this process may use.
        threads: requested for one evaluation, or 0 for the runtime's default.
        versions: of Python, NumPy, ONNX Runtime and PyTorch (None where it is not installed).
        load: processes that were running or waiting in the minute before, or None where the system does not say.
        matmul_gflops: 1e9 operations (2 per multiply-add) per second in a large float32 matrix product on ONNX
            Runtime; None without the onnx package. In a report, the better of two measurements, before and after.
    """

    processor: str
    architecture: str
    system: str
    cores: int
    usable_cores: int
    threads: int
    versions: Mapping[str, Optional[str]]
    load: Optional[float]
    matmul_gflops: Optional[float]


def describe_machine(threads: int, providers: Optional[Sequence[str]]) -> Machine:
    """Describe this machine and measure its matrix rate; raises BackendError for a provider that is not available."""
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
        matmul_gflops=matmul_gflops(threads, providers),
    )


def matmul_gflops(threads: int = 0, providers: Optional[Sequence[str]] = None, side: int = SIDE) -> Optional[float]:
    """1e9 operations per second in a product of two float32 (side, side) matrices; None without the onnx package.

    On another device than the processor it includes the copies to the device and back. Raises BackendError for a
    provider that is not available.
    """
    from opendr_har_core.backends.session import ort

    provider = Recognizer.open(ModelSettings.model, providers, threads).provider
    try:
        model = matmul_model(side)
    except ImportError:
        return None
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=[provider])
    random = np.random.default_rng(0)
    feeds = {name: random.standard_normal((side, side), dtype=np.float32) for name in ("a", "b")}
    timing = time_calls(lambda: session.run(["c"], feeds), SECONDS)
    return 2 * side**3 / timing.median_sec / 1e9


def matmul_model(side: int) -> Any:
    """The ONNX model of c = a @ b, for float32 (side, side) matrices; raises ImportError without the onnx package."""
    from onnx import TensorProto, helper

    a, b, c = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in "abc")
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "matmul", [a, b], [c])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def processor(root: Union[str, Path] = "/") -> str:
    """Name of the processor, or of the board where the processor has none, as on a Jetson."""
    cpu_info, board = Path(root) / "proc/cpuinfo", Path(root) / "proc/device-tree/model"
    if cpu_info.is_file():
        named = re.search(r"^model name\s*: (.+)$", cpu_info.read_text(errors="replace"), re.MULTILINE)
        if named:
            return named[1].strip()
    if board.is_file():
        return board.read_text(errors="replace").strip("\0\n ")
    return platform.processor() or platform.machine()


def versions() -> Dict[str, Optional[str]]:
    """Versions of Python and of the libraries that compute, without importing them."""
    found: Dict[str, Optional[str]] = {"python": platform.python_version()}
    for name, packages in PACKAGES.items():
        found[name] = next(filter(None, map(_version, packages)), None)
    return found


def _version(package: str) -> Optional[str]:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
