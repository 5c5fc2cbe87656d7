"""Timers that go on when the robot's clock does not."""

from __future__ import annotations

from typing import Any, Callable

from rclpy.clock import Clock, ClockType


def steady_timer(node: Any, period_sec: float, callback: Callable[[], None]) -> Any:
    """A timer of real time: with use_sim_time the node's own clock stands still, or goes back when a bag is looped."""
    return node.create_timer(period_sec, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
