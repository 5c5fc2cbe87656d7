"""`opendr-har benchmark`: what models cost on this machine."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from opendr_har_core.benchmarking.models import NAMES, RUNTIMES
from opendr_har_core.benchmarking.report import check_writable, write_report
from opendr_har_core.benchmarking.tables import comparison_text, report_text
from opendr_har_core.benchmarking.throughput import LARGEST_BATCH
from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from opendr_har_core.benchmarking.suite import Settings

EXAMPLE = "examples: opendr-har benchmark --models cox3d_s x3d_s; opendr-har benchmark --model cox3d_s.onnx --threads 1"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "benchmark",
        help="measure speed, memory and energy on this machine",
        description="Print OpenDR's benchmark tables for this machine: size, speed, throughput and energy.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--models", nargs="+", choices=NAMES, metavar="NAME", help=f"published networks (default: {' '.join(NAMES)})"
    )
    parser.add_argument("--model", metavar="FILE", help="a bundle of your own, .onnx, or 'default'")
    parser.add_argument("--against", metavar="FILE", help="time --model and this bundle in turn, and nothing else")
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, help="for published networks (default: both)")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="within one evaluation (default: the runtime's choice)"
    )
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="for each figure (default: 2)")
    parser.add_argument(
        "--largest-batch", type=int, default=LARGEST_BATCH, metavar="N", help=f"default: {LARGEST_BATCH}"
    )
    parser.add_argument("--providers", nargs="+", metavar="NAME", help="of ONNX Runtime, best first (default: cpu)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure, write, print."""
    if options.json:
        check_writable(options.json)
    if options.against is not None:
        _run_pair(options)
        return
    from opendr_har_core.benchmarking.suite import benchmark  # it loads ONNX Runtime, which other jobs may lack

    report = benchmark(_settings(options), _show if sys.stderr.isatty() else None)
    sys.stdout.write(report_text(report))
    if options.json:
        write_report(report, options.json)


def _run_pair(options: argparse.Namespace) -> None:
    from opendr_har_core.benchmarking.pair import compare_bundles

    if options.model is None or options.models or options.runtimes:
        raise ConfigError("--against compares it with the bundle of --model, and takes no --models or --runtimes")
    report = compare_bundles(options.model, options.against, options.seconds, options.threads, options.providers)
    sys.stdout.write(comparison_text(report, options.model, options.against))
    if options.json:
        write_report(report, options.json)


def _settings(options: argparse.Namespace) -> Settings:
    from opendr_har_core.benchmarking.suite import Settings

    names = tuple(options.models or (() if options.model else NAMES))
    if options.runtimes and not names:
        raise ConfigError("--runtimes is for published networks; a bundle runs on ONNX Runtime")
    return Settings(
        names=names,
        bundle=options.model,
        runtimes=tuple(options.runtimes or RUNTIMES),
        seconds=options.seconds,
        threads=options.threads,
        providers=tuple(options.providers) if options.providers else None,
        largest_batch=options.largest_batch,
    )


def _show(what: str) -> None:
    sys.stderr.write(f"measuring {what} ...\n")
