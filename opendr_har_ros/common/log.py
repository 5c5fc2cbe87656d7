"""Logging helpers: rate limiting by count, and text that messages and logs accept."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Callable
from typing import Counter as CounterType


class SparseLog:
    """Logs the 1st, 10th, 100th, ... event of each kind, with the count. Thread-safe."""

    def __init__(self, log: Callable[[str], Any]) -> None:
        """`log` is a logger's method, such as `node.get_logger().warning`.

        Use one severity per node: rclpy raises ValueError when one line of code logs with two severities.
        """
        self._log = log
        self._counts: CounterType[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, kind: str, message: str) -> None:
        """Count an event of `kind`, and log `message` if the count is a power of ten."""
        with self._lock:
            self._counts[kind] += 1
            count = self._counts[kind]
        if count == 10 ** (len(str(count)) - 1):
            self._log(message if count == 1 else f"{message} ({count} times so far)")


def sanitize_utf8(text: str) -> str:
    """Escape NUL and bytes that are not UTF-8, which messages and logs can't carry.

    Python represents such bytes, for example in file names, as lone surrogates; rclpy raises for them.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
