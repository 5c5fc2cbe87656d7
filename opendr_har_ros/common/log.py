"""Logging what happens often only now and then."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Callable
from typing import Counter as CounterType


class SparseLog:
    """Logs the 1st, 10th, 100th, ... event of each kind, with the count; may be called from any thread."""

    def __init__(self, log: Callable[[str], Any]) -> None:
        """`log` is a logger's method, such as `node.get_logger().warning`; one severity for all of a node's.

        rclpy raises ValueError where one line of code, such as the one below, logs with another severity than before.
        """
        self._log = log
        self._counts: CounterType[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, kind: str, message: str) -> None:
        """Count an event of `kind` and log `message` if it is its turn."""
        with self._lock:
            self._counts[kind] += 1
            count = self._counts[kind]
        if count == 10 ** (len(str(count)) - 1):
            self._log(message if count == 1 else f"{message} ({count} times by now)")
