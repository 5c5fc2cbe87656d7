"""`opendr-har quantize`: a bundle in less space."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from opendr_har_core.cli.options import VIDEOS, add_bundle_output, add_file, add_job, bundle_output, file_values
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from opendr_har_core.bundles.quantization import QuantizationReport

PRECISIONS = ("float16", "int8")


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "quantize",
        help="make a bundle smaller",
        description="Write a copy of a bundle with smaller weights, which are unpacked when it is opened: it runs as "
        "fast as before, and where it did before. A bundle that is to be tuned is quantised first; tuning unpacks the "
        "weights for good.",
        examples=(
            "cox3d_s.onnx small.onnx --weights float16",
            "cox3d_s.onnx --output cox3d_s.int8.onnx --weights int8 --clips my_clip.mp4 other.mp4",
        ),
        run=run,
    )
    add_file(parser, "bundle", suffixes=("onnx",), help="bundle to quantise, .onnx")
    add_bundle_output(parser, "quantized")
    parser.add_argument(
        "--weights", choices=PRECISIONS, required=True, help="half the size, or less than a third of it"
    )
    what = "videos to compare both bundles on; your own say most"
    add_file(parser, "--clips", suffixes=VIDEOS, nargs="+", default=(), metavar="VIDEO", help=what)


def run(options: argparse.Namespace) -> Result:
    """Quantise, say what was written and what it costs."""
    target = bundle_output(options, "quantized", example="opendr-har quantize a.onnx b.onnx --weights int8")
    try:
        from opendr_har_core.bundles.quantization import quantize_bundle
    except ImportError as error:
        raise ConfigError(f"quantising needs onnx ({error}); pip install onnx") from None
    options.out.note(f"quantising {options.bundle} ...")
    report = quantize_bundle(options.bundle, target or "", options.weights, options.clips)
    agreement = {**asdict(report.agreement), "rate": report.agreement.rate} if report.agreement else None
    values = {"weights": report.precision, "source_bytes": report.source_bytes, "agreement": agreement}
    return Result(_text(report), {**file_values(report.path), **values})


def _text(report: QuantizationReport) -> str:
    share = report.target_bytes / report.source_bytes
    text = (
        f"{report.path}: {report.precision} weights, {report.target_bytes / 1e6:.1f} MB, "
        f"{share:.0%} of {report.source_bytes / 1e6:.1f} MB\n"
    )
    if report.agreement:
        found = report.agreement
        text += (
            f"same label in {found.same} of {found.predictions} predictions ({found.rate:.1%}) over {found.clips} "
            f"clips, probabilities within {found.difference:.2g}\n"
        )
    return text
