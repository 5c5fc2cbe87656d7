"""`opendr-har`: parse the command line, run one job, turn errors into one line and an exit code."""

from __future__ import annotations

import argparse
import sys
from typing import List, Optional

from opendr_har_core import __version__
from opendr_har_core.cli import bag, benchmark, doctor, download, eval, export, infer, quantize, train, tune
from opendr_har_core.errors import HarError

JOBS = (infer, bag, train, eval, export, tune, quantize, download, benchmark, doctor)
FAILED, INTERRUPTED = 1, 130


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except HarError as error:
        sys.stderr.write(f"opendr-har: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each job adds its own part."""
    top = argparse.ArgumentParser(prog="opendr-har", description="Human activity recognition with X3D and CoX3D.")
    top.add_argument("--version", action="version", version=f"opendr-har {__version__}")
    jobs = top.add_subparsers(title="jobs", required=True, metavar="JOB")
    for job in JOBS:
        job.add_parser(jobs)
    return top


if __name__ == "__main__":
    sys.exit(main())
