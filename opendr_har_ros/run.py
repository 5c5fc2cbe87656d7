"""Running a node as a process: signals, exit codes, a clean end."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any, Callable, List, Optional

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from opendr_har_core.errors import HarError

WRONG_CONFIGURATION = 2
SPIN_SEC = 0.1
# Launchers pass a Ctrl-C on that the terminal has sent to us as well: that is one wish to end, not two.
SAME_SIGNAL_SEC = 1.0


def run(node_type: Callable[[], Any], arguments: Optional[List[str]] = None) -> int:
    """Spin a node of `node_type` until a signal, or until its `exit_code` is not None; returns the exit code.

    A HarError while the node is made (a parameter of a wrong type, say) becomes one line and exit code 2. rclpy's own
    signal handlers are not used: a signal that arrives at a bad moment makes them fail on the way out.
    """
    stop = _StopFlag()
    _init(arguments)
    node, executor = None, SingleThreadedExecutor()
    try:
        node = node_type()
        executor.add_node(node)
        while not stop.raised and getattr(node, "exit_code", None) is None and rclpy.ok():
            executor.spin_once(timeout_sec=SPIN_SEC)
        return int(getattr(node, "exit_code", None) or 0)
    except HarError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_CONFIGURATION
    except ExternalShutdownException:
        return 0
    finally:
        executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown() if hasattr(rclpy, "try_shutdown") else rclpy.shutdown()
        stop.ignore_signals()


class _StopFlag:
    """Raised by the first SIGINT or SIGTERM; another one, a second or more later, ends the process at once."""

    def __init__(self) -> None:
        self.raised = False
        self._since = 0.0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def ignore_signals(self) -> None:
        """From here on: Python's last steps would fall back on dying of a late signal, with its number as exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, _frame: Any) -> None:
        if not self.raised:
            self.raised, self._since = True, time.monotonic()
        elif time.monotonic() - self._since > SAME_SIGNAL_SEC:
            os._exit(128 + number)


def _init(arguments: Optional[List[str]]) -> None:
    try:
        from rclpy.signals import SignalHandlerOptions
    except ImportError:  # Foxy installs no handler of its own that could get in the way
        rclpy.init(args=arguments)
        return
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
