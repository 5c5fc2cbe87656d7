"""Main module of the training process: `python -m opendr_har_ros.trainer.training_main PARENT_PID NICE train ...`.

Runs `opendr-har` with a low priority, and ends it when its parent ends. Imports nothing of ROS.
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
# When memory runs out, the kernel ends training before the nodes that control the robot.
OOM_SCORE = "500"


def end_with_parent(parent: int) -> None:
    """Send SIGTERM to this process when the thread that started it ends, also after kill -9; Linux only.

    The kernel sends SIGHUP for each thread of a killed parent. A second SIGTERM would end training without a
    checkpoint, so only the first SIGHUP is forwarded.
    """
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return
    signal.signal(signal.SIGHUP, _on_end_of_parent)
    prctl(PR_SET_PDEATHSIG, int(signal.SIGHUP))
    if os.getppid() != parent:  # the parent ended before the call to prctl
        os.kill(os.getpid(), signal.SIGTERM)


def _on_end_of_parent(number: int, _frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTERM)


def lower_priority(nice: int) -> None:
    """Lower the CPU priority of this process and its subprocesses, and raise its OOM score."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
    with contextlib.suppress(OSError):
        os.nice(nice)


def main(arguments: List[str]) -> int:
    """Run the command after the first two arguments; returns its exit code."""
    parent, nice, *command = arguments
    end_with_parent(int(parent))
    lower_priority(int(nice))
    from opendr_har_core.cli.main import main as opendr_har

    return opendr_har(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
