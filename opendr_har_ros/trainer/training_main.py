"""The process that trains: `python -m opendr_har_ros.trainer.training_main PARENT_PID NICE train ...`.

It is `opendr-har` with a few precautions for the robot that it runs on. Nothing of ROS is loaded here.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any, List

# linux/prctl.h
PR_SET_PDEATHSIG = 1
# Where memory runs out, training goes before what moves the robot.
OOM_SCORE = "500"


def end_with_parent(parent: int) -> None:
    """End as SIGTERM does when the thread that started this process ends, also by kill -9; Linux only.

    The kernel tells it by a signal of its own, since it does so again for each thread of a parent that is killed, and
    a second SIGTERM means 'at once', without a checkpoint.
    """
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return
    signal.signal(signal.SIGHUP, _on_end_of_parent)
    prctl(PR_SET_PDEATHSIG, int(signal.SIGHUP))
    if os.getppid() != parent:  # it has ended before that
        os.kill(os.getpid(), signal.SIGTERM)


def _on_end_of_parent(number: int, _frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTERM)


def give_way(nice: int) -> None:
    """A lower priority for this process and those that it starts; the first to go when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
    with contextlib.suppress(OSError):
        os.nice(nice)


def main(arguments: List[str]) -> int:
    """Run the command line behind the first two arguments; returns its exit code."""
    parent, nice, *command = arguments
    end_with_parent(int(parent))
    give_way(int(nice))
    from opendr_har_core.cli.main import main as opendr_har

    return opendr_har(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
