"""The same frames to a node and to the library, by turns."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Dict, List

from opendr_har_core import Recognizer
from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS

TURN = 20
INTERVAL_NS = NANOSECONDS // 30
PATIENCE_SEC = 30.0


class RoundTrip:
    """Publishes images and waits for the label of each."""

    def __init__(self, model: Path, process: Any) -> None:
        """`process` is a recognizer on image_raw that takes every frame."""
        import rclpy
        from camera import pictures
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image
        from vision_msgs.msg import Classification

        self._rclpy, self._process = rclpy, process
        rclpy.init(args=[])
        self._node = rclpy.create_node("benchmark_round_trip")
        self._publisher = self._node.create_publisher(Image, "image_raw", QoSProfile(depth=1))
        self._received: List[int] = []
        self._node.create_subscription(Classification, "/recognizer/classification", self._on_label, 10)
        self._images = pictures(640, 480)
        self._stream = Recognizer.open(model).stream("every_frame")
        self._sent = 0

    def measure(self, seconds: float) -> Dict[str, Any]:
        """Medians over turns; the processor time of the node is that of its whole process."""
        self._meet()
        trips: List[float] = []
        pushes: List[float] = []
        node_cpu, own_cpu, end = 0.0, 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            before = self._process.cpu_sec
            trips += [self._trip() for _ in range(TURN)]
            node_cpu += self._process.cpu_sec - before
            before = time.process_time()
            pushes += [self._push(index) for index in range(TURN)]
            own_cpu += time.process_time() - before
        trip, push = statistics.median(trips), statistics.median(pushes)
        self._node.destroy_node()
        self._rclpy.shutdown()
        return {
            "frames": len(trips),
            "round_trip_ms": 1000 * trip,
            "library_push_ms": 1000 * push,
            "added_ms": 1000 * (trip - push),
            "added_share": trip / push - 1,
            "node_cpu_ms": 1000 * node_cpu / len(trips),
            "library_cpu_ms": 1000 * own_cpu / len(pushes),
            "added_cpu_share": node_cpu / own_cpu - 1,
        }

    def _meet(self) -> None:
        """Until the node answers, past both warm-ups."""
        while not self._publisher.get_subscription_count():
            self._rclpy.spin_once(self._node, timeout_sec=0.1)
        end = time.monotonic() + PATIENCE_SEC
        while len(self._received) < 2 * TURN:
            if time.monotonic() > end:
                raise TimeoutError("the node gives no labels")
            self._send()
            self._rclpy.spin_once(self._node, timeout_sec=0.05)
        for index in range(self._stream.spec.warm_up + TURN):
            self._push(index)

    def _trip(self) -> float:
        start = time.perf_counter()
        stamp_ns = self._send()
        while not self._received or self._received[-1] != stamp_ns:
            if time.perf_counter() - start > PATIENCE_SEC:
                raise TimeoutError("no label came for an image")
            self._rclpy.spin_once(self._node, timeout_sec=1.0)
        return time.perf_counter() - start

    def _send(self) -> int:
        image = self._images[self._sent % len(self._images)]
        self._sent += 1
        stamp_ns = NANOSECONDS + self._sent * INTERVAL_NS
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
        self._publisher.publish(image)
        return stamp_ns

    def _push(self, index: int) -> float:
        import numpy as np

        image = self._images[index % len(self._images)]
        rgb = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
        self._sent_library = getattr(self, "_sent_library", 0) + 1
        start = time.perf_counter()
        self._stream.push(Frame(rgb, self._sent_library * INTERVAL_NS))
        return time.perf_counter() - start

    def _on_label(self, message: Any) -> None:
        self._received.append(message.header.stamp.sec * NANOSECONDS + message.header.stamp.nanosec)
