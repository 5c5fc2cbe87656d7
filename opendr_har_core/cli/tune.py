"""`opendr-har tune`: a CoX3D bundle made faster for the machine it is tuned on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from opendr_har_core.cli.options import add_bundle_output, add_file, add_job, bundle_output, file_values
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "tune",
        help="make a CoX3D bundle faster on this machine",
        description="Write a copy of a CoX3D bundle that runs faster, but only with this machine's kind of processor "
        "and version of ONNX Runtime. The results stay the same; this is checked.",
        examples=("cox3d_s.onnx", "cox3d_s.onnx --output here.onnx"),
        run=run,
    )
    add_file(parser, "bundle", suffixes=("onnx",), help="bundle to tune, .onnx")
    add_bundle_output(parser, "tuned", "(default: <bundle>.tuned.onnx beside it)")


def run(options: argparse.Namespace) -> Result:
    """Tune, say what was written."""
    try:
        from opendr_har_core.backends.tuning import tune_bundle
    except ImportError as error:
        raise ConfigError(f"tuning needs onnx ({error}); pip install onnx") from None
    source = Path(options.bundle)
    target = bundle_output(options, "tuned") or source.with_suffix(".tuned.onnx")
    report = tune_bundle(source, target)
    text = (
        f"{report.path}: {report.state_buffers} states kept in the runtime's own layout, "
        f"probabilities equal within {report.difference:.1g}\n"
    )
    return Result(
        text, {**file_values(report.path), "state_buffers": report.state_buffers, "difference": report.difference}
    )
