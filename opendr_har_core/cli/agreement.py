"""`opendr-har agreement`: agreement of models with a clip network on videos without labels."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from opendr_har_core.benchmarking import AgreementSettings
from opendr_har_core.cli.options import add_job, add_runtime, add_settings, read_settings
from opendr_har_core.cli.output import Result
from opendr_har_core.cli.videos import videos_of


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "agreement",
        help="compare models with a clip network on your own videos, without labels",
        description="Show videos to bundles with the same classes, and report how often each has the label of the X3D "
        "among them, how soon each names a new action, and what each costs.",
        examples=(
            "x3d_s.onnx cox3d_s.onnx cox3d_s_none.onnx --videos recordings",
            "x3d_s.onnx cox3d_s_none.onnx --videos kitchen.mp4 hall.mp4 --seconds 60 --json",
        ),
        run=run,
    )
    what = "bundles, .onnx; the first X3D among them is the reference"
    parser.add_argument("models", nargs="+", metavar="MODEL", help=what)
    what = "files, folders or patterns; ideally one action in each"
    parser.add_argument("--videos", nargs="+", required=True, metavar="PATH", help=what)
    add_settings(parser, AgreementSettings)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Measure, print."""
    from opendr_har_core.benchmarking.agreement import measure_agreement
    from opendr_har_core.benchmarking.tables import agreement_text
    from opendr_har_core.streaming.recognizer import Recognizer

    videos, missing = videos_of(options.videos)
    if missing:
        raise missing[0][1]
    recognizers = [Recognizer.open(model, options.providers, options.threads) for model in options.models]
    settings = read_settings(options, AgreementSettings)
    with options.out.progress("comparing", "videos") as report:
        found = measure_agreement(options.models, recognizers, videos, settings, report)
    return Result(agreement_text(found), asdict(found))
