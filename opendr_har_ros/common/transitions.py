"""Lifecycle callbacks that say what went wrong; rclpy itself would swallow their errors."""

from __future__ import annotations

import functools
import traceback
from typing import Any, Callable

from opendr_har_core.errors import HarError
from opendr_har_ros.common.lifecycle import TransitionCallbackReturn
from opendr_har_ros.common.text import sendable


def transition(callback: Callable[..., None]) -> Callable[..., TransitionCallbackReturn]:
    """A lifecycle callback whose errors are logged and fail the transition; the node's `fault` says the latest."""

    @functools.wraps(callback)
    def guarded(node: Any, state: Any) -> TransitionCallbackReturn:
        try:
            callback(node, state)
            if callback.__name__ != "on_error":  # which follows a failure, and does not mend it
                node.fault = ""
            return TransitionCallbackReturn.SUCCESS
        except HarError as error:
            node.fault = sendable(str(error))
            node.get_logger().error(f"{callback.__name__}: {node.fault}")
        except Exception as error:  # the state machine must always get an answer
            node.fault = sendable(repr(error))
            node.get_logger().error(sendable(f"{callback.__name__} failed:\n{traceback.format_exc()}"))
        return TransitionCallbackReturn.FAILURE

    return guarded
