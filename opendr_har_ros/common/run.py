"""Running a node as a process: signals, exit codes, a clean end."""

from __future__ import annotations

import sys
from typing import Any, Callable, List, Optional

import rclpy
from rclpy.executors import ExternalShutdownException

from opendr_har_core.errors import HarError
from opendr_har_ros.common.executors import SINGLE, make_executor
from opendr_har_ros.common.stop import StopFlag
from opendr_har_ros.common.survivor import Survivor

WRONG_CONFIGURATION = 2


def run(node_type: Callable[[], Any], stop: StopFlag, arguments: Optional[List[str]] = None) -> int:
    """Spin a node of `node_type` until `stop` is raised, or its `exit_code` is not None; returns the exit code.

    Its `executor_kind`, if it has one, names the executor. A HarError while the node is made (a parameter of a wrong
    type, say) becomes one line and exit code 2. Errors of callbacks, and of rclpy itself, are logged and survived, see
    `Survivor`. rclpy's own signal handlers are not used: a signal that arrives at a
    bad moment makes them fail on the way out.
    """
    start_rclpy(arguments)
    node, executor = None, None
    try:
        node = node_type()
        executor = make_executor(getattr(node, "executor_kind", SINGLE))
        executor.add_node(node)
        survivor = Survivor(node)
        while not stop.raised and getattr(node, "exit_code", None) is None and rclpy.ok():
            survivor.spin_once(executor)
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
            stop_rclpy()
            stop.ignore_signals()


def start_rclpy(arguments: Optional[List[str]]) -> None:
    """Without rclpy's signal handlers: they shut it down under whatever goes on."""
    try:
        from rclpy.signals import SignalHandlerOptions
    except ImportError:  # Foxy installs no handler of its own that could get in the way
        rclpy.init(args=arguments)
        return
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)


def stop_rclpy() -> None:
    """As rclpy.try_shutdown, which Foxy and Galactic lack; their rclpy.shutdown fails after another one."""
    rclpy.try_shutdown() if hasattr(rclpy, "try_shutdown") else rclpy.get_default_context().try_shutdown()
