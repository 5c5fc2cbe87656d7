"""What a benchmark found, as plain values that fit into JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from opendr_har_core.benchmarking.throughput import Throughput
from opendr_har_core.benchmarking.timing import Comparison, Timing
from opendr_har_core.errors import DataError
from opendr_har_core.storage.atomic import atomic_path

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Machine:
    """Where it was measured.

    Attributes:
        processor, architecture, system: for people.
        cores: logical cores of the machine; usable_cores: those that this process may use.
        threads: asked for within one evaluation, or None for the runtime's own choice.
        versions: of Python, NumPy, ONNX Runtime and PyTorch (None where it is not installed).
        load: processes that were running or waiting in the minute before, or None where the system does not say.
        matmul_gflops: 1e9 operations (2 a multiply-add) per second in a large float32 matrix product on ONNX Runtime;
            of a whole benchmark the better of two measurements, before and after.
    """

    processor: str
    architecture: str
    system: str
    cores: int
    usable_cores: int
    threads: Optional[int]
    versions: Mapping[str, Optional[str]]
    load: Optional[float]
    matmul_gflops: float


@dataclass(frozen=True)
class Model:
    """What was measured.

    Attributes:
        name: such as "cox3d_s".
        source: where its weights come from.
        input_shape: of one evaluation's uint8 input.
        parameters, multiply_adds: of one evaluation of the graph; None where they can't be counted here.
    """

    name: str
    source: str
    input_shape: Tuple[int, ...]
    parameters: Optional[int]
    multiply_adds: Optional[int]


@dataclass(frozen=True)
class EnergyUse:
    """Energy at batch 1.

    Attributes:
        sensor: what was read.
        joules: per evaluation, with all that the machine needs anyway.
        joules_above_idle: per evaluation, what it needs more than while idle.
        idle_watts: power of the idle machine.
    """

    sensor: str
    joules: float
    joules_above_idle: float
    idle_watts: float


@dataclass(frozen=True)
class Figures:
    """What one model does on one runtime, in a process of its own.

    Attributes:
        provider: what computed.
        weights_bytes: size of the bundle, or of the network's tensors.
        peak_rss_bytes: of the process, after running at batch 1; None on a system that does not say.
        timing: at batch 1.
        throughput: at the best batch.
        energy: None where no sensor can be read.
        energy_remark: why not.
    """

    provider: str
    weights_bytes: int
    peak_rss_bytes: Optional[int]
    timing: Timing
    throughput: Throughput
    energy: Optional[EnergyUse]
    energy_remark: str


@dataclass(frozen=True)
class Row:
    """One model on one runtime ("torch" or "onnx"): its figures, or why there are none."""

    model: Model
    runtime: str
    figures: Optional[Figures]
    failure: str = ""


@dataclass(frozen=True)
class Report:
    """A whole benchmark; `seconds` is the time spent on each figure."""

    machine: Machine
    seconds: float
    rows: Tuple[Row, ...]
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class ComparisonReport:
    """Two bundles in turn, at batch 1."""

    machine: Machine
    seconds: float
    first: Model
    second: Model
    comparison: Comparison
    format_version: int = FORMAT_VERSION


def check_writable(path: Union[str, Path]) -> None:
    """Raise DataError where no report can be written to `path`, before hours are spent on one."""
    folder = Path(path).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(path).is_dir():
        raise DataError(f"can't write the report {path}: expected a file name in a folder that exists and is writable")


def write_report(report: Union[Report, ComparisonReport], path: Union[str, Path]) -> None:
    """Write it as JSON, whole or not at all; raises DataError where the file can't be written."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(report), indent=2) + "\n")
    except OSError as error:
        raise DataError(f"can't write the report {path}: {error}") from None


def figures_from_dict(values: Mapping[str, Any]) -> Figures:
    """Rebuild figures that came as JSON from the process that measured them."""
    fields: Dict[str, Any] = dict(values)
    throughput = dict(fields["throughput"])
    throughput["tried"] = tuple((batch, per_sec) for batch, per_sec in throughput["tried"])
    fields["throughput"] = Throughput(**throughput)
    fields["timing"] = Timing(**fields["timing"])
    if fields["energy"] is not None:
        fields["energy"] = EnergyUse(**fields["energy"])
    return Figures(**fields)
