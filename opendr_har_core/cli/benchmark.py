"""`opendr-har benchmark`: speed, memory and energy of models on this machine."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any, Tuple

from opendr_har_core.benchmarking import NAMES, BenchmarkSettings
from opendr_har_core.cli.options import (
    add_job,
    add_model,
    add_runtime,
    add_settings,
    check_writable,
    providers,
    write_json,
)
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "benchmark",
        help="measure speed, memory and energy on this machine",
        description="Print OpenDR's benchmark tables for this machine: size, speed, throughput and energy.",
        examples=(
            "--model default",
            "--model cox3d_s.onnx --threads 1 --report figures.json",
            "--model cox3d_s.tuned.onnx --against cox3d_s.onnx",
            "--models cox3d_s x3d_s",
        ),
        run=run,
    )
    add_settings(parser, BenchmarkSettings, models=NAMES)
    add_model(parser, None)
    parser.add_argument("--against", metavar="FILE", help="only time --model and this bundle, alternating")
    parser.add_argument("--report", metavar="FILE", help="also write the figures to this file, JSON")
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Measure, write, print."""
    if options.report:
        check_writable(options.report)
    settings = BenchmarkSettings(
        models=() if options.model else options.models,
        runtimes=options.runtimes,
        seconds=options.seconds,
        largest_batch=options.largest_batch,
        model=options.model,
        threads=options.threads,
        providers=providers(options),
    )
    report, text = _measured(options, settings) if options.against is None else _compared(options, settings)
    values = asdict(report)
    if options.report:
        write_json(options.report, values)
    return Result(text, values)


def _measured(options: argparse.Namespace, settings: BenchmarkSettings) -> Tuple[Any, str]:
    from opendr_har_core.benchmarking.benchmark import benchmark
    from opendr_har_core.benchmarking.tables import report_text

    def progress(name: str) -> None:
        if sys.stderr.isatty():
            options.out.note(f"measuring {name} ...")

    report = benchmark(settings, progress)
    return report, report_text(report)


def _compared(options: argparse.Namespace, settings: BenchmarkSettings) -> Tuple[Any, str]:
    from opendr_har_core.benchmarking.benchmark import compare_bundles
    from opendr_har_core.benchmarking.tables import comparison_text

    if options.model is None:
        raise ConfigError("--against needs --model, the bundle to compare it with")
    report = compare_bundles(options.model, options.against, settings)
    return report, comparison_text(report, options.model, options.against)
