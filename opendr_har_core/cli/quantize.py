"""`opendr-har quantize`: make a bundle smaller."""

from __future__ import annotations

import argparse
from typing import Any

from opendr_har_core.cli.options import add_bundles, add_job, file_values
from opendr_har_core.cli.output import Result


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "quantize",
        help="make a bundle smaller",
        description="Write a copy of a bundle with smaller weights: int8 where that loses nothing, float16 otherwise. "
        "They are unpacked when the bundle is opened, so it runs as fast as before. To tune a bundle as well, quantize "
        "it first.",
        examples=("cox3d_s.onnx --output small.onnx",),
        run=run,
    )
    add_bundles(parser)


def run(options: argparse.Namespace) -> Result:
    """Write the smaller bundle and report its size."""
    from opendr_har_core.bundles.quantization import quantize_bundle
    from opendr_har_core.streaming.recognizer import bundle_path

    report = quantize_bundle(bundle_path(options.bundle), options.output)
    text = (
        f"{report.path}: {report.precision} weights, {report.target_bytes / 1e6:.1f} MB, "
        f"{report.target_bytes / report.source_bytes:.0%} of {report.source_bytes / 1e6:.1f} MB\n"
    )
    values = {"weights": report.precision, "source_bytes": report.source_bytes}
    return Result(text, {**file_values(report.path), **values})
