"""Running a node as a process: rclpy's start and end, the executor, resilient spinning, exit codes."""

from __future__ import annotations

import sys
import time
import traceback
from typing import Any, Callable, List, Optional

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from opendr_har_core.errors import HarError
from opendr_har_ros.common.lifecycle import steady_timer
from opendr_har_ros.common.log import SparseLog, sanitize_utf8
from opendr_har_ros.common.process import StopFlag

WRONG_CONFIGURATION = 2
# A killed node stays in the graph for 20 s; a node that was started in its place must not complain of it.
NAMESAKE_SEC, NAMESAKE_AGAIN_SEC = 25.0, 600.0
SPIN_SEC = 0.5
# An error that recurs at once this often is not caused by single messages; restarting the process is better.
MAX_CONSECUTIVE_ERRORS = 100
PAUSE_SEC = 0.01
# For the answers to the clients of an action, which rclpy sends in later turns.
ANSWER_SEC = 0.1


def run(node_type: Callable[[], Any], stop: StopFlag, arguments: Optional[List[str]] = None) -> int:
    """Spin a node of `node_type` until `stop` is raised or the node sets `exit_code`; returns the exit code.

    The node's method `stop`, if present, is called repeatedly once `stop` is raised, while the node still spins, until
    it returns True. A HarError raised by the constructor, such as for a parameter of the wrong type, is printed in one
    line, and the exit code is 2.
    """
    start_rclpy(arguments)
    node, executor = None, None
    try:
        node = node_type()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        steady_timer(node, NAMESAKE_SEC, lambda: _warn_of_namesake(node))
        spin_resiliently(node, executor, lambda: _is_over(node, stop))
        if hasattr(node, "stop"):
            answered = time.monotonic() + ANSWER_SEC
            spin_resiliently(node, executor, lambda: time.monotonic() > answered)
        return int(getattr(node, "exit_code", None) or 0)
    except HarError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_CONFIGURATION
    except ExternalShutdownException:
        return 0
    finally:
        try:
            if executor is not None:
                executor.shutdown()
            if node is not None:
                node.destroy_node()
        finally:
            rclpy.try_shutdown()
            stop.ignore_signals()


def _warn_of_namesake(node: Any) -> None:
    """Two nodes of one name answer each other's services."""
    own = (node.get_name(), node.get_namespace())
    if node.get_node_names_and_namespaces().count(own) > 1:
        name = node.get_fully_qualified_name()
        node.get_logger().warning(
            f"another node is named {name}, too; start one under another name: --ros-args -r __node:=NAME",
            throttle_duration_sec=NAMESAKE_AGAIN_SEC,
        )


def _is_over(node: Any, stop: StopFlag) -> bool:
    if getattr(node, "exit_code", None) is not None or not rclpy.ok():
        return True
    return stop.raised and bool(getattr(node, "stop", lambda: True)())


def spin_resiliently(node: Any, executor: Any, is_over: Callable[[], bool]) -> None:
    """Spin until `is_over()`; log errors of callbacks and of rclpy, re-raise after 100 consecutive failures.

    Another node's malformed message must not end this one.
    """
    log = SparseLog(lambda text: node.get_logger().error(text))
    errors = 0
    while not is_over():
        try:
            executor.spin_once(timeout_sec=SPIN_SEC)
            errors = 0
        except ExternalShutdownException:
            raise
        except Exception as error:
            errors += 1
            if errors >= MAX_CONSECUTIVE_ERRORS:
                raise
            log(type(error).__name__, sanitize_utf8(f"continuing after an error:\n{traceback.format_exc()}"))
            time.sleep(PAUSE_SEC)


def start_rclpy(arguments: Optional[List[str]]) -> None:
    """Initialise rclpy without its signal handlers, which fail when a signal arrives during shutdown."""
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
