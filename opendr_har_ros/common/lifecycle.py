"""Lifecycle callbacks that report their errors, and timers on the steady clock."""

from __future__ import annotations

import functools
import traceback
from typing import Any, Callable

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import TransitionCallbackReturn

from opendr_har_core.errors import HarError
from opendr_har_ros.common.log import sanitize_utf8


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


def steady_timer(node: Any, period_sec: float, callback: Callable[[], None]) -> Any:
    """Create a timer on the steady clock; with use_sim_time the node's own clock may stop or go back."""
    return node.create_timer(period_sec, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
