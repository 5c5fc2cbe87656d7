"""Running `opendr-har` as a process of its own, as people do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A process that is started in the background of a shell ignores Ctrl-C; people's do not.
CODE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from opendr_har_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def started(*arguments, code=CODE, **options):
    """The process, with pipes for what it says."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, env=env, text=True, **pipes)


def run(*arguments, **options):
    """(exit code, standard output, standard error)."""
    process = started(*arguments, **options)
    out, errors = process.communicate(timeout=120)
    return process.returncode, out, errors


def interrupted(process, when, number=signal.SIGINT):
    """Send Ctrl-C as soon as `when()`; (exit code, standard output, standard error)."""
    try:
        while not when() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, errors


def files_in(folder):
    """All files below a folder, the hidden ones as well."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
