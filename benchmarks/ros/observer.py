"""A node that records when labels arrive, how old they are, and the counts in the recognizers' diagnostics."""

from __future__ import annotations

import statistics
import threading
import time
from types import TracebackType
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type

PATIENCE_SEC = 120.0
COUNTS = ("frames received", "frames sampled", "frames dropped", "stream resets")
SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


class Observer:
    """Subscribes to labels and diagnostics, in a thread of its own.

    Attributes:
        values: of the latest diagnostics.
    """

    def __init__(self, topics: Sequence[str], nodes: Sequence[str], kind: Any = None) -> None:
        """Labels come on `topics`, as Classification or another `kind` of message; diagnostics from `nodes`."""
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from vision_msgs.msg import Classification

        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("benchmark_observer", context=self._context)
        self.values: Dict[str, str] = {}
        self._nodes = [name.lstrip("/") for name in nodes]
        self._labels: Dict[str, List[Tuple[float, float]]] = {topic: [] for topic in topics}
        self._counts: Dict[str, Dict[str, int]] = {}
        self._before: Dict[str, Dict[str, int]] = {}
        for topic in topics:
            self._node.create_subscription(kind or Classification, topic, lambda m, t=topic: self.on_label(t, m), 10)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for_labels(self) -> None:
        """Wait until every topic has had a label; raises TimeoutError."""
        end = time.monotonic() + PATIENCE_SEC
        while not all(self._labels.values()):
            if time.monotonic() > end:
                raise TimeoutError(f"no label on {[topic for topic, got in self._labels.items() if not got]}")
            time.sleep(0.1)

    def begin(self) -> None:
        """Start recording: forget all labels and counts so far."""
        self._before = {name: dict(counts) for name, counts in self._counts.items()}
        for got in self._labels.values():
            got.clear()

    def summary(self, seconds: float) -> Dict[str, Any]:
        """Labels, their ages, and the nodes' counts since `begin`, `seconds` ago."""
        ages = sorted(age for got in self._labels.values() for _, age in got)
        gaps = [later - earlier for got in self._labels.values() for (earlier, _), (later, _) in zip(got, got[1:])]
        return {
            "labels": len(ages),
            "labels_per_sec": len(ages) / seconds,
            "latency_ms": {name: 1000 * ages[round(share * (len(ages) - 1))] for name, share in SHARES.items()},
            "longest_gap_ms": 1000 * max(gaps),
            "median_gap_ms": 1000 * statistics.median(gaps),
            **{
                name: sum(
                    counts[name] - self._before.get(status, {}).get(name, 0) for status, counts in self._counts.items()
                )
                for name in COUNTS
            },
        }

    def on_label(self, topic: str, message: Any) -> None:
        """Count a label that has arrived."""
        now_ns = self._node.get_clock().now().nanoseconds
        stamp = message.header.stamp
        self._labels[topic].append((time.monotonic(), (now_ns - stamp.sec * 10**9 - stamp.nanosec) / 1e9))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if any(status.name.startswith(f"{name}:") for name in self._nodes):
                values = self.values = {item.key: item.value for item in status.values}
                self._counts[status.name] = {name: int(values.get(name, 0)) for name in COUNTS}
