"""`opendr-har benchmark`: what models cost on this machine."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Tuple

from opendr_har_core.cli.options import SIZES, add_file, add_job, add_model, add_runtime, providers
from opendr_har_core.cli.output import Output, Result
from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from opendr_har_core.benchmarking.suite import Settings

NAMES = tuple(f"{network}_{size}" for network in ("x3d", "cox3d") for size in SIZES)
RUNTIMES = ("torch", "onnx")
LARGEST_BATCH = 64


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
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
    add_model(parser, None, "a bundle of your own, .onnx, or a packaged model: continual, default, kinetics400")
    add_file(
        parser,
        "--against",
        suffixes=("onnx",),
        metavar="FILE",
        help="time --model and this bundle in turn only",
    )
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, help="for published networks (default: both)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="for each figure (default: 2)")
    parser.add_argument(
        "--largest-batch", type=int, default=LARGEST_BATCH, metavar="N", help=f"default: {LARGEST_BATCH}"
    )
    add_file(parser, "--report", suffixes=("json",), metavar="FILE", help="write the figures there, too")
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Measure, write, print."""
    from opendr_har_core.benchmarking.report import check_writable, write_report

    if options.report:
        check_writable(options.report)
    report, text = _compared(options) if options.against is not None else _measured(options)
    if options.report:
        write_report(report, options.report)
    return Result(text, asdict(report))


def _measured(options: argparse.Namespace) -> Tuple[Any, str]:
    from opendr_har_core.benchmarking.suite import benchmark  # it loads ONNX Runtime, which other jobs may lack
    from opendr_har_core.benchmarking.tables import report_text

    report = benchmark(_settings(options), _Show(options.out) if sys.stderr.isatty() else None)
    return report, report_text(report)


def _compared(options: argparse.Namespace) -> Tuple[Any, str]:
    from opendr_har_core.benchmarking.pair import compare_bundles
    from opendr_har_core.benchmarking.tables import comparison_text

    if options.model is None or options.models or options.runtimes:
        raise ConfigError("--against compares it with the bundle of --model, and takes no --models or --runtimes")
    where = providers(options)
    report = compare_bundles(options.model, options.against, options.seconds, options.threads, where)
    return report, comparison_text(report, options.model, options.against)


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
        providers=providers(options),
        largest_batch=options.largest_batch,
    )


class _Show:
    """Says what is measured, which may take minutes."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def __call__(self, what: str) -> None:
        self._out.note(f"measuring {what} ...")
