"""Lifecycle callbacks that report their errors, and timers on the steady clock."""

from __future__ import annotations

import functools
import traceback
from typing import Any, Callable, Optional

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import TransitionCallbackReturn

from opendr_har_core.errors import HarError
from opendr_har_ros.common.log import sanitize_utf8

BOND_PERIOD_SEC, BOND_TIMEOUT_SEC = 0.1, 4.0


def transition(callback: Callable[..., None]) -> Callable[..., TransitionCallbackReturn]:
    """Log a lifecycle callback's exceptions and return FAILURE for them; rclpy discards them.

    The node's attribute `fault` holds the latest error message, or "".
    """

    @functools.wraps(callback)
    def guarded(node: Any, state: Any) -> TransitionCallbackReturn:
        try:
            callback(node, state)
            if callback.__name__ != "on_error":  # runs after a failure and must not clear its message
                node.fault = ""
            return TransitionCallbackReturn.SUCCESS
        except HarError as error:
            node.fault = sanitize_utf8(str(error))
            node.get_logger().error(f"{callback.__name__}: {node.fault}")
        except Exception as error:  # the state machine needs a return value in any case
            node.fault = sanitize_utf8(repr(error))
            node.get_logger().error(sanitize_utf8(f"{callback.__name__} failed:\n{traceback.format_exc()}"))
        return TransitionCallbackReturn.FAILURE

    return guarded


def start_bond(node: Any) -> Optional[Any]:
    """Start the bond by which nav2's lifecycle manager notices that a node died; None where bondpy is missing.

    Topic, id and times are those of nav2's own nodes.
    """
    try:
        from bondpy.bondpy import Bond
    except ImportError:
        return None
    bond = Bond(node, "bond", node.get_name())
    bond.heartbeat_period, bond.heartbeat_timeout = BOND_PERIOD_SEC, BOND_TIMEOUT_SEC
    bond.start()
    return bond


def break_bond(node: Any, bond: Any) -> None:
    """Tell the manager that the end is intended; Bond.shutdown leaves destroyed entities to the executor."""
    bond.break_bond()
    bond.is_shutdown = True  # ends its thread, and keeps its finalizer from Bond.shutdown
    node.destroy_subscription(bond.sub)
    node.destroy_publisher(bond.pub)


def steady_timer(node: Any, period_sec: float, callback: Callable[[], None]) -> Any:
    """Create a timer on the steady clock; with use_sim_time the node's own clock may stop or go back."""
    return node.create_timer(period_sec, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
