# PYTHON_ARGCOMPLETE_OK
"""The `opendr-har` command: parses the command line, runs a subcommand and turns errors into exit codes."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import threading
from typing import Any, Dict, Iterator, List, Optional

from opendr_har_core import __version__
from opendr_har_core.cli import (
    agreement,
    annotate,
    bag,
    benchmark,
    calibrate,
    doctor,
    download,
    eval,
    export,
    infer,
    label,
    live,
    quantize,
    score,
    synth,
    teach,
    train,
    tune,
)
from opendr_har_core.cli.options import EXAMPLES, Formatter
from opendr_har_core.cli.output import FAILED, INTERRUPTED, USAGE, Output, Result
from opendr_har_core.errors import ConfigError, HarError

JOBS = (
    infer,
    label,
    live,
    bag,
    annotate,
    score,
    teach,
    calibrate,
    train,
    eval,
    export,
    tune,
    quantize,
    download,
    benchmark,
    agreement,
    doctor,
    synth,
)
NOTES = """exit codes: 0 success, 1 failure, 2 usage error, 130 interrupted (Ctrl-C or SIGTERM)
@FILE stands for the options in a file, such as: opendr-har train @train.txt --lr 3e-4
"""


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line and return its exit code: 0 success, 1 failure, 2 usage error, 130 interrupted."""
    top = parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks for completions
        with contextlib.suppress(ImportError):
            import argcomplete

            argcomplete.autocomplete(top, always_complete_options=False)
    try:
        options = top.parse_args(arguments)
    except (ValueError, RecursionError) as error:
        sys.stderr.write(f"opendr-har: can't read the options in a file: {error}\n")
        return USAGE
    except SystemExit as ended:  # argparse has printed the help, the version or a usage error
        return int(ended.code or 0)
    options.out = Output(options.json, options.quiet)
    try:
        with _interruptible() as interrupted:
            result = _run(options, interrupted)
            options.out.end(options.job, result)
            return result.exit_code
    except OSError as error:
        _give_up_output(f"can't write the output: {error}")
        return FAILED
    except KeyboardInterrupt:  # while the result was written
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    def convert_arg_line_to_args(self, arg_line: str) -> List[str]:
        """The words of a line in an @file, quoted as in a shell; # begins a comment. Raises ValueError."""
        return shlex.split(arg_line, comments=True)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; each subcommand adds its own part."""
    top = _Parser(
        prog="opendr-har",
        description="Human activity recognition with X3D and CoX3D.",
        epilog=f"{EXAMPLES}  opendr-har infer clip.mp4\n  opendr-har train --help\n{NOTES}",
        formatter_class=Formatter,
        fromfile_prefix_chars="@",
    )
    top.add_argument("--version", action="version", version=f"opendr-har {__version__}")
    jobs = top.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="job")
    for job in JOBS:
        job.add_parser(jobs)
    return top


def _run(options: argparse.Namespace, interrupted: List[int]) -> Result:
    try:
        with options.out.guarded():
            result: Result = options.run(options)
        return result
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return Result(error="interrupted", exit_code=INTERRUPTED)
    except (SystemExit, Exception) as error:
        if interrupted:  # Lightning and libraries being imported turn Ctrl-C into errors of their own
            known = isinstance(error, HarError)
            return Result(error=str(error) if known else "interrupted", exit_code=INTERRUPTED)
        if isinstance(error, ConfigError):
            return Result(error=str(error), exit_code=USAGE)
        if isinstance(error, (HarError, OSError)):  # OSError: a full disk, a folder without write permission
            return Result(error=str(error), exit_code=FAILED)
        if isinstance(error, ImportError) and not str(error.name).startswith("opendr_har"):
            package = f"'opendr_har_ros[{options.extra}]'" if options.extra else error.name
            return Result(error=f"{options.job} needs more packages: {error}; pip install {package}", exit_code=FAILED)
        raise


@contextlib.contextmanager
def _interruptible() -> Iterator[List[int]]:
    """Handle SIGTERM like Ctrl-C; yields the list of signals received.

    Handlers that the caller has set stay, and so do ignored signals, as in the background of a shell.
    """
    received: List[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def interrupt(number: int, frame: Any) -> None:
        received.append(number)
        raise KeyboardInterrupt

    defaults: Dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    replaced = [number for number, handler in defaults.items() if signal.getsignal(number) is handler]
    for number in replaced:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number in replaced:
            signal.signal(number, defaults[number])


def _give_up_output(why: str) -> None:
    with contextlib.suppress(OSError):  # standard error may be closed as well
        sys.stderr.write(f"opendr-har: {why}\n")
        sys.stderr.flush()
    with contextlib.suppress(OSError, ValueError):  # keeps Python from reporting the error again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
