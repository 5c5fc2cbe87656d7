"""`opendr-har doctor`: diagnoses the installation, the machine, a model on it, and ROS 2."""

from __future__ import annotations

import argparse
from typing import Any

from opendr_har_core.cli.options import add_job, add_model, add_runtime
from opendr_har_core.cli.output import FAILED, Result


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "doctor",
        help="find problems of this installation",
        description="Print versions, the machine, the speed of a model on it and, with ROS 2, the image topics; report "
        "problems and what to do about them. The exit code is 0 if there are none, otherwise 1.",
        examples=("", "--model cox3d_s.onnx", "--json"),
        run=run,
    )
    add_model(parser)
    add_runtime(parser)
    what = "time to listen to image topics (default: 2)"
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help=what)


def run(options: argparse.Namespace) -> Result:
    """Run all checks and report; findings make it fail."""
    from opendr_har_core.doctor.checks import run_checks, to_dict, to_text

    sections = run_checks(options.model, options.providers, options.threads, options.seconds)
    found = [finding.what for section in sections for finding in section.findings]
    if found:
        return Result(to_text(sections), to_dict(sections), FAILED, f"problems found: {'; '.join(found)}")
    return Result(to_text(sections) + "No problems found.\n", to_dict(sections))
