"""A whole benchmark: every model on every runtime, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, List, Optional, Tuple

from opendr_har_core.benchmarking.machine import describe_machine, measured_again
from opendr_har_core.benchmarking.models import NAMES, RUNTIMES, Subject, bundle_subject, published_subjects
from opendr_har_core.benchmarking.report import Report, Row, figures_from_dict
from opendr_har_core.benchmarking.throughput import LARGEST_BATCH
from opendr_har_core.benchmarking.worker import Request
from opendr_har_core.errors import ConfigError

WORKER = "opendr_har_core.benchmarking.worker"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """What to benchmark.

    Attributes:
        names: published networks, with random weights.
        bundle: path of a bundle, or name of a packaged model, or None.
        runtimes: "torch" and "onnx", or one of them; bundles run on ONNX Runtime alone.
        seconds: time for each figure.
        threads: within one evaluation, by default the runtime's own choice.
        providers: execution providers of ONNX Runtime, best first, by default the processor.
        largest_batch: none larger is tried.
    """

    names: Tuple[str, ...] = NAMES
    bundle: Optional[str] = None
    runtimes: Tuple[str, ...] = RUNTIMES
    seconds: float = 2.0
    threads: Optional[int] = None
    providers: Optional[Tuple[str, ...]] = None
    largest_batch: int = LARGEST_BATCH

    def __post_init__(self) -> None:
        for given, known in ((self.names, NAMES), (self.runtimes, RUNTIMES)):
            unknown = [name for name in given if name not in known]
            if unknown:
                raise ConfigError(f"{unknown} can't be benchmarked, expected some of {', '.join(known)}")
        if not 0 < self.seconds < float("inf"):
            raise ConfigError(f"seconds is {self.seconds}, expected a time above zero")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads is {self.threads}, expected one or more, or none for the runtime's choice")
        if self.largest_batch < 1:
            raise ConfigError(f"the largest batch is {self.largest_batch}, expected one or more")


def benchmark(settings: Settings, progress: Optional[Callable[[str], None]] = None) -> Report:
    """Measure everything, one thing after the other; `progress` is told what comes next.

    Raises ConfigError, ModelError or BackendError for what can't be benchmarked at all; a measurement that fails is
    a row that says why.
    """
    with tempfile.TemporaryDirectory(prefix="opendr_har_benchmark_") as folder:
        subjects = _subjects(settings, Path(folder))
        machine = describe_machine(settings.threads, settings.providers)
        rows = []
        for subject in subjects:
            if progress:
                progress(f"{subject.model.name} on {subject.runtime}")
            rows.append(_row(subject, settings))
    return Report(measured_again(machine, settings.providers), settings.seconds, tuple(rows))


def _subjects(settings: Settings, folder: Path) -> List[Subject]:
    subjects = [bundle_subject(settings.bundle)] if settings.bundle else []
    for name in settings.names:
        subjects.extend(published_subjects(name, settings.runtimes, folder))
    return subjects


def _row(subject: Subject, settings: Settings) -> Row:
    request = Request(
        subject.runtime,
        subject.place,
        settings.seconds,
        settings.threads,
        settings.providers,
        settings.largest_batch,
    )
    done = subprocess.run(
        [sys.executable, "-m", WORKER],
        input=json.dumps(asdict(request)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_paths())},
    )
    if done.returncode != 0:
        return Row(subject.model, subject.runtime, None, _failure(done.returncode, done.stderr))
    figures = figures_from_dict(json.loads(done.stdout.splitlines()[-1]))
    return Row(subject.model, subject.runtime, figures)


def _paths() -> List[str]:
    """The worker must import this very package."""
    given = os.environ.get("PYTHONPATH")
    return [str(PACKAGE_ROOT), *([given] if given else [])]


def _failure(code: int, errors: str) -> str:
    if code < 0:
        return f"ended by signal {-code}" + (", which the system sends when memory runs out" if code == -9 else "")
    lines = errors.strip().splitlines()
    return lines[-1] if lines else f"ended with code {code}"
