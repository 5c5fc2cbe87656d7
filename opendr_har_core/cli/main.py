# PYTHON_ARGCOMPLETE_OK
"""`opendr-har`: parse the command line, run one job, turn errors into one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from typing import Any, Dict, Iterator, List, Optional

from opendr_har_core import __version__
from opendr_har_core.cli import (
    agreement,
    bag,
    benchmark,
    doctor,
    download,
    eval,
    export,
    infer,
    live,
    quantize,
    synth,
    train,
    tune,
)
from opendr_har_core.cli.completion import complete
from opendr_har_core.cli.options import Formatter
from opendr_har_core.cli.output import FAILED, INTERRUPTED, Output, Result
from opendr_har_core.errors import HarError

JOBS = (infer, live, bag, train, eval, export, tune, quantize, download, benchmark, agreement, doctor, synth)
NOBODY_READS = "nobody reads the output any more (a pipe was closed, as by `| head`): stopped"


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    top = parser()
    complete(top)
    options = top.parse_args(arguments)
    options.out = Output(getattr(options, "json", False), getattr(options, "quiet", False))
    try:
        with _interruptible() as interrupted:
            result = _run(options, interrupted)
            options.out.end(options.job, result)
            return result.exit_code
    except OSError as error:
        _give_output_up(NOBODY_READS if isinstance(error, BrokenPipeError) else f"the output can't be written: {error}")
        return FAILED
    except KeyboardInterrupt:  # while the last words were said
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each job adds its own part."""
    top = argparse.ArgumentParser(
        prog="opendr-har",
        description="Human activity recognition with X3D and CoX3D.",
        epilog="examples:\n  opendr-har infer clip.mp4\n  opendr-har train --help\n"
        "exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted",
        formatter_class=Formatter,
    )
    top.add_argument("--version", action="version", version=f"opendr-har {__version__}")
    jobs = top.add_subparsers(title="jobs", required=True, metavar="JOB", dest="job")
    for job in JOBS:
        job.add_parser(jobs)
    return top


def _run(options: argparse.Namespace, interrupted: List[int]) -> Result:
    try:
        with options.out.guarded():
            result: Optional[Result] = options.run(options)
        return result or Result()
    except HarError as error:
        return Result(error=str(error), exit_code=INTERRUPTED if interrupted else FAILED)
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a folder that may not be written
        return Result(error=str(error), exit_code=FAILED)
    except KeyboardInterrupt:
        return Result(error="interrupted", exit_code=INTERRUPTED)
    except (SystemExit, Exception):  # what Lightning, and libraries that are being imported, make of Ctrl-C
        if not interrupted:
            raise
        return Result(error="interrupted", exit_code=INTERRUPTED)


@contextlib.contextmanager
def _interruptible() -> Iterator[List[int]]:
    """SIGTERM cleans up as Ctrl-C does; yields the signals that came.

    A handler that somebody set stays, and so does a signal that is ignored, as in the background of a shell.
    """
    came: List[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    usual: Dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    taken = [number for number, handler in usual.items() if signal.getsignal(number) is handler]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield came
    finally:
        for number in taken:
            signal.signal(number, usual[number])


def _give_output_up(why: str) -> None:
    with contextlib.suppress(OSError):  # errors, perhaps, can't be written either
        sys.stderr.write(f"opendr-har: {why}\n")
        sys.stderr.flush()
    with contextlib.suppress(OSError, ValueError):  # or Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
