"""Somebody in the ROS graph who asks, offers and listens, while this process waits for something."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Callable, Optional, Type, TypeVar

import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

PATIENCE_SEC = 30.0
Self = TypeVar("Self", bound="Participant")


class Participant:
    """A node with a context of its own, so that it can come and go."""

    def __init__(self, name: str) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def take(self, patience_sec: float) -> None:
        """Handle what comes next, if anything does within that time."""
        self._executor.spin_once(timeout_sec=patience_sec)

    def until(self, condition: Callable[[], Any], what: str, patience_sec: float = PATIENCE_SEC) -> float:
        """Handle what comes until the condition holds; the seconds that it took. Raises TimeoutError."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > patience_sec:
                raise TimeoutError(f"{what}: not within {patience_sec} s")
            self.take(0.05)
        return time.monotonic() - begin

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """A service's answer; raises TimeoutError."""
        client = self.node.create_client(kind, name)
        try:
            self.until(client.service_is_ready, f"service {name}")
            future = client.call_async(request)
            self.until(future.done, f"an answer of {name}")
        finally:
            self.node.destroy_client(client)
        return future.result()

    def set(self, node: str, **values: Any) -> None:
        """Ask a node for other values of its parameters; whether it takes them is the node's own affair."""
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        self.call(SetParameters, f"{node}/set_parameters", SetParameters.Request(parameters=parameters))
