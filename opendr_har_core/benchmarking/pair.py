"""Two bundles against each other, in turn and in one process."""

from __future__ import annotations

from typing import Optional, Sequence

from opendr_har_core.benchmarking.machine import describe_machine
from opendr_har_core.benchmarking.models import describe_bundle
from opendr_har_core.benchmarking.report import ComparisonReport
from opendr_har_core.benchmarking.runners import OpenBundle
from opendr_har_core.benchmarking.timing import compare


def compare_bundles(
    first: str,
    second: str,
    seconds: float,
    threads: Optional[int] = None,
    providers: Optional[Sequence[str]] = None,
) -> ComparisonReport:
    """Time both at batch 1 in turn for `seconds`; raises ModelError, BackendError or ConfigError."""
    runners = [OpenBundle(path, providers, threads).runner() for path in (first, second)]
    models = [describe_bundle(path) for path in (first, second)]
    machine = describe_machine(threads, providers)
    comparison = compare(runners[0].run, runners[1].run, seconds)
    return ComparisonReport(machine, seconds, models[0], models[1], comparison)
