"""`opendr-har download`: the official weights."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Optional

from opendr_har_core.download import SIZES, download_weights

MEGABYTE = 1e6


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "download",
        help="fetch official Kinetics-400 weights",
        description="Fetch the official Kinetics-400 weights of X3D (they fit CoX3D too). Interrupted downloads go on.",
    )
    parser.add_argument("size", choices=SIZES, help="which X3D")
    parser.add_argument("--to", default="downloads", metavar="FOLDER", help="where to put it (default: downloads)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Fetch one file and say where it is."""
    path = download_weights(options.size, options.to, _show if sys.stderr.isatty() else None)
    sys.stdout.write(f"{path}\n")


def _show(done: int, total: Optional[int]) -> None:
    whole = f" of {total / MEGABYTE:.1f}" if total else ""
    sys.stderr.write(f"\r{done / MEGABYTE:.1f}{whole} MB" + ("\n" if done == total else ""))
