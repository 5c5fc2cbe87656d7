"""Which of rclpy's executors runs a node."""

from __future__ import annotations

from typing import Any

from rclpy.executors import SingleThreadedExecutor

from opendr_har_core.errors import ConfigError

SINGLE, EVENTS = "single", "events"
EXECUTORS = (SINGLE, EVENTS)


def make_executor(kind: str) -> Any:
    """`SINGLE`, which every rclpy has, or `EVENTS`: it takes less of the processor, and is experimental in rclpy.

    Raises ConfigError where this rclpy has none of that kind.
    """
    if kind == SINGLE:
        return SingleThreadedExecutor()
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:  # Jazzy and older
        raise ConfigError(f"this rclpy has no executor of the kind {kind!r}; set the parameter to {SINGLE!r}") from None
    return EventsExecutor()
