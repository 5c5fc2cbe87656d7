"""`opendr-har benchmark`: speed, memory and energy of models on this machine."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from opendr_har_core.benchmarking import NAMES, BenchmarkSettings
from opendr_har_core.cli.options import (
    add_job,
    add_model,
    add_runtime,
    add_settings,
    check_writable,
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
        providers=tuple(options.providers),
    )
    from opendr_har_core.benchmarking.benchmark import benchmark, compare_bundles  # loads ONNX Runtime
    from opendr_har_core.benchmarking.tables import comparison_text, report_text

    if options.against is None:
        report = benchmark(settings, options.out.note if sys.stderr.isatty() else None)
        text = report_text(report)
    elif options.model is None:
        raise ConfigError("--against needs --model, the bundle to compare it with")
    else:
        report = compare_bundles(options.model, options.against, settings)
        text = comparison_text(report, options.model, options.against)
    values = asdict(report)
    if options.report:
        write_json(options.report, values)
    return Result(text, values)
