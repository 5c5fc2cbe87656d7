"""`opendr-har benchmark`: speed, memory and energy of models on this machine."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Tuple

from opendr_har_core.cli.options import SIZES, add_job, add_model, add_runtime, providers
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from opendr_har_core.benchmarking.measure import Settings

NAMES = tuple(f"{network}_{size}" for network in ("x3d", "cox3d") for size in SIZES)
RUNTIMES = ("torch", "onnx")
LARGEST_BATCH = 64


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
    parser.add_argument(
        "--models", nargs="+", choices=NAMES, metavar="NAME", help=f"published networks (default: {' '.join(NAMES)})"
    )
    add_model(parser, None)
    parser.add_argument("--against", metavar="FILE", help="only time --model and this bundle, alternating")
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, help="for published networks (default: both)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="time for each figure (default: 2)")
    parser.add_argument(
        "--largest-batch",
        type=int,
        default=LARGEST_BATCH,
        metavar="N",
        help=f"largest batch to try (default: {LARGEST_BATCH})",
    )
    parser.add_argument("--report", metavar="FILE", help="also write the figures to this file")
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Measure, write, print."""
    from opendr_har_core.benchmarking.suite import check_writable, write_report  # loads ONNX Runtime

    if options.report:
        check_writable(options.report)
    report, text = _compared(options) if options.against is not None else _measured(options)
    if options.report:
        write_report(report, options.report)
    return Result(text, asdict(report))


def _measured(options: argparse.Namespace) -> Tuple[Any, str]:
    from opendr_har_core.benchmarking.suite import benchmark
    from opendr_har_core.benchmarking.tables import report_text

    def progress(name: str) -> None:
        if sys.stderr.isatty():
            options.out.note(f"measuring {name} ...")

    report = benchmark(_settings(options), progress)
    return report, report_text(report)


def _compared(options: argparse.Namespace) -> Tuple[Any, str]:
    from opendr_har_core.benchmarking.suite import compare_bundles
    from opendr_har_core.benchmarking.tables import comparison_text

    if options.model is None or options.models or options.runtimes:
        raise ConfigError("--against needs --model, the bundle to compare it with, and no --models or --runtimes")
    where = providers(options)
    report = compare_bundles(options.model, options.against, options.seconds, options.threads, where)
    return report, comparison_text(report, options.model, options.against)


def _settings(options: argparse.Namespace) -> Settings:
    from opendr_har_core.benchmarking.measure import Settings

    names = tuple(options.models or (() if options.model else NAMES))
    if options.runtimes and not names:
        raise ConfigError("--runtimes applies to published networks only; a bundle runs on ONNX Runtime")
    return Settings(
        names=names,
        bundle=options.model,
        runtimes=tuple(options.runtimes or RUNTIMES),
        seconds=options.seconds,
        threads=options.threads,
        providers=providers(options),
        largest_batch=options.largest_batch,
    )
