"""`opendr-har tune`: a CoX3D bundle made faster for the machine it is tuned on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from opendr_har_core.errors import ConfigError

EXAMPLE = "example: opendr-har tune cox3d_s.onnx cox3d_s.tuned.onnx"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "tune",
        help="make a CoX3D bundle faster on this machine",
        description="Write a copy of a CoX3D bundle that runs faster, but only with this machine's kind of processor "
        "and version of ONNX Runtime. The results stay the same; this is checked.",
        epilog=EXAMPLE,
    )
    parser.add_argument("bundle", help="bundle to tune, .onnx")
    parser.add_argument("tuned", nargs="?", help="file to write (default: <bundle>.tuned.onnx beside it)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Tune, say what was written."""
    try:
        from opendr_har_core.tuning import tune_bundle
    except ImportError as error:
        raise ConfigError(f"tuning needs onnx ({error}); pip install onnx") from None
    source = Path(options.bundle)
    report = tune_bundle(source, options.tuned or source.with_suffix(".tuned.onnx"))
    sys.stdout.write(
        f"{report.path}: {report.queues} states kept in the runtime's own layout, "
        f"probabilities equal within {report.difference:.1g}\n"
    )
