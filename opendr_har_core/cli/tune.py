"""`opendr-har tune`: make a CoX3D bundle faster on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from opendr_har_core.cli.options import add_bundles, add_job, file_values
from opendr_har_core.cli.output import Result


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "tune",
        help="make a CoX3D bundle faster on this machine",
        description="Write a copy of a CoX3D bundle that runs faster, but only on this kind of processor and with this "
        "version of ONNX Runtime. The command checks that the results stay the same.",
        examples=("cox3d_s.onnx", "continual --output here.onnx"),
        run=run,
    )
    add_bundles(parser, "BUNDLE.tuned.onnx")


def run(options: argparse.Namespace) -> Result:
    """Write the tuned bundle and report its states."""
    from opendr_har_core.backends.tuning import tune_bundle
    from opendr_har_core.streaming.recognizer import bundle_path

    target = options.output or Path(options.bundle).with_suffix(".tuned.onnx")
    report = tune_bundle(bundle_path(options.bundle), target)
    text = (
        f"{report.path}: {report.state_buffers} state buffers kept in ONNX Runtime's own layout, "
        f"probabilities equal within {report.difference:.1g}\n"
    )
    values = {"state_buffers": report.state_buffers, "difference": report.difference}
    return Result(text, {**file_values(report.path), **values})
