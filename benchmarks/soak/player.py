"""A camera that can be made to misbehave, and somebody who looks at the labels."""

from __future__ import annotations

import array
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional, Type

import numpy as np
import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification

from opendr_har_core.synth.scene import render_clip
from opendr_har_ros.qos import image_qos

NODE, TOPIC = "/recognizer", "image_raw"
ACTIONS = ("walking", "jumping jacks", "bending")
SMALL, LARGE = (120, 160), (240, 320)
PATIENCE_SEC = 30.0
START_NS = 10**9


class Player:
    """Publishes images of a drawn figure at `speed` times their rate, stamped with the time of the scene."""

    def __init__(self, fps: int, speed: float, folder: Path) -> None:
        """`folder` is for files that faults need."""
        self.folder = folder
        self.period_ns = 10**9 // fps
        self.labels = 0
        self.latencies: List[float] = []
        self._interval = 1 / (fps * speed)
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node("soak_camera", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._films = {size: _film(size) for size in (SMALL, LARGE)}
        self._stamp_ns, self._shown = START_NS, 0
        self._sent: Dict[int, float] = {}
        self.connect()
        self.node.create_subscription(Classification, f"{NODE}/classification", self._on_label, 10)
        self._due = time.monotonic()

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def connect(self) -> None:
        """Open the camera."""
        self._publisher = self.node.create_publisher(Image, TOPIC, image_qos(True))

    def disconnect(self) -> None:
        """Close the camera."""
        self.node.destroy_publisher(self._publisher)

    def wait_until_heard(self) -> None:
        """Until the recognizer has subscribed; raises TimeoutError."""
        end = time.monotonic() + PATIENCE_SEC
        while not self._publisher.get_subscription_count():
            if time.monotonic() > end:
                raise TimeoutError("no recognizer subscribes to the images")
            self._executor.spin_once(timeout_sec=0.1)
        self._due = time.monotonic()

    def next_image(self, size: tuple = SMALL, ahead_sec: float = 0.0) -> Image:
        """The scene's next image; the camera's clock jumps ahead first."""
        self._stamp_ns += self.period_ns + round(ahead_sec * 10**9)
        pixels = self._films[size][self._shown % len(self._films[size])]
        self._shown += 1
        image = Image(height=size[0], width=size[1], encoding="rgb8", step=3 * size[1], data=pixels)
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(self._stamp_ns, 10**9)
        image.header.frame_id = "camera"
        return image

    def publish(self, image: Image) -> None:
        """Send it, and note when."""
        self._sent[image.header.stamp.sec * 10**9 + image.header.stamp.nanosec] = time.monotonic()
        if len(self._sent) > 1000:
            self._sent.pop(next(iter(self._sent)))
        self._publisher.publish(image)

    def keep_pace(self) -> None:
        """Take labels in until the next image is due."""
        self._due += self._interval
        while True:
            left = self._due - time.monotonic()
            if left <= 0:
                break
            self._executor.spin_once(timeout_sec=left)
        self._due = max(self._due, time.monotonic() - 1.0)  # after a long fault, no burst

    def settle(self) -> None:
        """Wait for the last labels."""
        self._executor.spin_once(timeout_sec=0.5)

    def set(self, name: str, value: Any) -> None:
        """Ask the recognizer for another value of a parameter."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        self._call(SetParameters, f"{NODE}/set_parameters", request)

    def reset(self) -> None:
        """Let the recognizer forget."""
        self._call(Trigger, f"{NODE}/reset", Trigger.Request())

    def visit(self) -> None:
        """Somebody with a laptop joins, looks at the labels, and leaves."""
        context = rclpy.Context()
        rclpy.init(args=[], context=context)
        visitor = rclpy.create_node("visitor", context=context)
        visitor.create_subscription(Classification, f"{NODE}/classification", lambda _: None, 1)
        self._executor.spin_once(timeout_sec=0.05)
        visitor.destroy_node()
        context.shutdown()

    def _call(self, kind: Any, name: str, request: Any) -> Any:
        client = self.node.create_client(kind, name)
        client.wait_for_service(PATIENCE_SEC)
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, PATIENCE_SEC)
        self.node.destroy_client(client)
        return future.result()

    def _on_label(self, message: Any) -> None:
        self.labels += 1
        sent = self._sent.get(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
        if sent is not None:
            self.latencies.append(time.monotonic() - sent)


class Viewer:
    """Looks at the labels and does nothing else."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("soak_viewer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._newest_ns = 0
        self._node.create_subscription(Classification, f"{NODE}/classification", self._on_label, 10)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for_label(self, patience_sec: float) -> float:
        """Seconds until a label of an image came that was taken after this call; raises TimeoutError."""
        start, begin_ns = time.monotonic(), time.time_ns()
        self._newest_ns = 0
        while self._newest_ns < begin_ns:
            if time.monotonic() - start > patience_sec:
                raise TimeoutError(f"no label within {patience_sec} s")
            self._executor.spin_once(timeout_sec=0.1)
        return time.monotonic() - start

    def _on_label(self, message: Any) -> None:
        self._newest_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def _film(size: tuple) -> List[array.array]:
    frames = [frame for action in ACTIONS for frame in render_clip(action, 3.0, 30.0, size, seed=2)]
    return [array.array("B", np.ascontiguousarray(frame.rgb).tobytes()) for frame in frames]
