"""`opendr-har quantize`: a bundle in less space."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from opendr_har_core.bundle import PRECISIONS
from opendr_har_core.errors import ConfigError

EXAMPLE = "example: opendr-har quantize cox3d_s.onnx cox3d_s.int8.onnx --weights int8 --clips my_clip.mp4 other.mp4"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "quantize",
        help="make a bundle smaller",
        description="Write a copy of a bundle with smaller weights, which are unpacked when it is opened: it runs as "
        "fast as before, and where it did before. A bundle that is to be tuned is quantised first; tuning unpacks the "
        "weights for good.",
        epilog=EXAMPLE,
    )
    parser.add_argument("bundle", help="bundle to quantise, .onnx")
    parser.add_argument("quantized", help="file to write, .onnx")
    parser.add_argument(
        "--weights", choices=PRECISIONS[1:], required=True, help="half the size, or less than a third of it"
    )
    parser.add_argument(
        "--clips", nargs="+", default=(), metavar="VIDEO", help="videos to compare both bundles on; your own say most"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Quantise, say what was written and what it costs."""
    try:
        from opendr_har_core.quantization import quantize_bundle
    except ImportError as error:
        raise ConfigError(f"quantising needs onnx ({error}); pip install onnx") from None
    report = quantize_bundle(options.bundle, options.quantized, options.weights, options.clips)
    share = report.target_bytes / report.source_bytes
    sys.stdout.write(
        f"{report.path}: {report.precision} weights, {report.target_bytes / 1e6:.1f} MB, "
        f"{share:.0%} of {report.source_bytes / 1e6:.1f} MB\n"
    )
    if report.agreement:
        found = report.agreement
        sys.stdout.write(
            f"same label in {found.same} of {found.predictions} predictions ({found.rate:.1%}) over {found.clips} "
            f"clips, probabilities within {found.difference:.2g}\n"
        )
