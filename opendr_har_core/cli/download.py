"""`opendr-har download`: fetch the published X3D weights."""

from __future__ import annotations

import argparse
from typing import Any

from opendr_har_core.cli.options import SIZES, add_job, file_values
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError

MEGABYTE = 1e6


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "download",
        help="fetch pretrained Kinetics-400 weights",
        description="Fetch the Kinetics-400 weights that the authors of X3D published (they fit CoX3D too). "
        "An interrupted download resumes.",
        examples=("s", "m --output weights"),
        run=run,
    )
    parser.add_argument("size", choices=SIZES, help="which X3D")
    what = "where to put it (default: downloads)"
    parser.add_argument("--output", default="downloads", metavar="FOLDER", help=what)
    parser.add_argument("--url", metavar="URL", help="address of a mirror; {size} is replaced by xs, s, m or l")


def run(options: argparse.Namespace) -> Result:
    """Fetch one file and print its path."""
    from opendr_har_core.storage.download import WEIGHTS_URL, download_weights

    url = options.url or WEIGHTS_URL
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url is {url!r}, expected an address that begins with http:// or https://")
    with options.out.progress(f"x3d_{options.size}.pyth", "MB", MEGABYTE) as report:
        path = download_weights(options.size, options.output, report, url)
    return Result(f"{path}\n", file_values(path))
