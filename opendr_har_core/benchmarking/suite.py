"""Benchmark of models on this machine, each in a process of its own, and comparison of two bundles."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable, List, Optional, Sequence, Tuple, Union

from opendr_har_core.benchmarking.machine import Machine, describe_machine, matmul_gflops
from opendr_har_core.benchmarking.measure import Figures, Settings, measure
from opendr_har_core.benchmarking.models import (
    Model,
    Subject,
    bundle_subject,
    describe_bundle,
    evaluation,
    published_subjects,
)
from opendr_har_core.benchmarking.timing import Comparison, compare
from opendr_har_core.errors import DataError
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.streaming.recognizer import Recognizer

FORMAT_VERSION = 2
OUT_OF_MEMORY = "the process ended without a result, as when the system runs out of memory"


@dataclass(frozen=True)
class Row:
    """One model on one runtime ("torch" or "onnx"): its figures, or the reason why there are none."""

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
    """Two bundles timed alternately, at batch 1."""

    machine: Machine
    seconds: float
    first: Model
    second: Model
    comparison: Comparison
    format_version: int = FORMAT_VERSION


def benchmark(settings: Settings, progress: Optional[Callable[[str], None]] = None) -> Report:
    """Measure all models one after the other; `progress` is called with the name of each.

    A measurement that fails becomes a row with the reason. Raises ConfigError, ModelError or BackendError where
    nothing can be measured. Call it from a module that a new process can import (`if __name__ == "__main__"`).
    """
    with TemporaryDirectory(prefix="opendr_har_benchmark_") as folder:
        subjects = [bundle_subject(settings.bundle)] if settings.bundle else []
        for name in settings.names:
            subjects += published_subjects(name, settings.runtimes, Path(folder))
        machine = describe_machine(settings.threads, settings.providers)
        rows: List[Row] = []
        for subject in subjects:
            if progress:
                progress(f"{subject.model.name} on {subject.runtime}")
            rows.append(measure_row(subject, settings))
    rate = matmul_gflops(settings.threads, settings.providers)  # other work only lowers it, so the better one counts
    best = max(filter(None, (rate, machine.matmul_gflops)), default=None)
    return Report(replace(machine, matmul_gflops=best), settings.seconds, tuple(rows))


def measure_row(subject: Subject, settings: Settings) -> Row:
    """Measure one model in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        try:
            figures = process.submit(measure, subject.runtime, subject.place, settings).result()
        except BrokenProcessPool:
            return Row(subject.model, subject.runtime, None, OUT_OF_MEMORY)
        except Exception as error:
            return Row(subject.model, subject.runtime, None, str(error))
    return Row(subject.model, subject.runtime, figures)


def compare_bundles(
    first: str,
    second: str,
    seconds: float,
    threads: int = 0,
    providers: Optional[Sequence[str]] = None,
) -> ComparisonReport:
    """Time two bundles alternately at batch 1 for `seconds`; raises ModelError, BackendError or ConfigError."""
    jobs = [evaluation(Recognizer.open(path, providers, threads)) for path in (first, second)]
    models = [describe_bundle(path) for path in (first, second)]
    machine = describe_machine(threads, providers)
    return ComparisonReport(machine, seconds, models[0], models[1], compare(jobs[0], jobs[1], seconds))


def check_writable(path: Union[str, Path]) -> None:
    """Raise DataError where no report can be written to `path`; call it before a long benchmark."""
    folder = Path(path).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(path).is_dir():
        raise DataError(f"can't write the report {path}: expected a file name in a folder that exists and is writable")


def write_report(report: Union[Report, ComparisonReport], path: Union[str, Path]) -> None:
    """Write a report as JSON, atomically; raises DataError where the file can't be written."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(report), indent=2) + "\n")
    except OSError as error:
        raise DataError(f"can't write the report {path}: {error}") from None
