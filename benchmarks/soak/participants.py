"""Nodes of a soak test: a camera with faults, and a viewer of labels."""

from __future__ import annotations

import array
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type, TypeVar

import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification

from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.qos import image_qos

RECOGNIZER, TOPIC = "/recognizer", "image_raw"
LABELS = f"{RECOGNIZER}/classification"
PATIENCE_SEC = 30.0
ACTIONS = ("walking", "jumping jacks", "bending")
SMALL, LARGE = (120, 160), (240, 320)
Self = TypeVar("Self", bound="Participant")


class Participant:
    """A node with a context of its own, so that it can join and leave; it spins while it waits."""

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

    def spin_once(self, timeout_sec: float) -> None:
        """Handle the next event, if one comes within that time."""
        self._executor.spin_once(timeout_sec=timeout_sec)

    def until(self, condition: Callable[[], Any], what: str, patience_sec: float = PATIENCE_SEC) -> float:
        """Spin until the condition holds; returns the seconds that it took. Raises TimeoutError."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > patience_sec:
                raise TimeoutError(f"{what}: not within {patience_sec} s")
            self.spin_once(0.05)
        return time.monotonic() - begin

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service; raises TimeoutError."""
        client = self.node.create_client(kind, name)
        try:
            self.until(client.service_is_ready, f"service {name}")
            future = client.call_async(request)
            self.until(future.done, f"a response of {name}")
        finally:
            self.node.destroy_client(client)
        return future.result()

    def set(self, node: str, **values: Any) -> None:
        """Request other values of a node's parameters, which it may reject."""
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        self.call(SetParameters, f"{node}/set_parameters", SetParameters.Request(parameters=parameters))


class Viewer(Participant):
    """Waits for labels of new images."""

    def __init__(self) -> None:
        super().__init__("soak_viewer")
        self._newest_ns = 0
        self.node.create_subscription(Classification, LABELS, self._on_label, 10)

    def wait_for_label(self, patience_sec: float) -> float:
        """Seconds until the label of an image that was taken after this call; raises TimeoutError."""
        begin_ns = time.time_ns()
        return self.until(lambda: self._newest_ns >= begin_ns, "a label of a new image", patience_sec)

    def _on_label(self, message: Any) -> None:
        self._newest_ns = _nanoseconds(message)


class Player(Participant):
    """A camera that publishes a synthetic figure at `speed` times real time, stamped with the time of the scene."""

    def __init__(self, fps: int, speed: float, folder: Path) -> None:
        """`folder` is for files that faults need."""
        super().__init__("soak_camera")
        self.folder = folder
        self.labels = 0
        self.latencies: List[float] = []
        self._period_ns, self._interval = 10**9 // fps, 1 / (fps * speed)
        self._pictures = {size: _pictures(size) for size in (SMALL, LARGE)}
        self._stamp_ns, self._shown = 10**9, 0
        self._sent: Dict[int, float] = {}
        self.connect()
        self.node.create_subscription(Classification, LABELS, self._on_label, 10)
        self._due = time.monotonic()

    def connect(self) -> None:
        """Open the camera."""
        self._publisher = self.node.create_publisher(Image, TOPIC, image_qos(True))

    def disconnect(self) -> None:
        """Close the camera."""
        self.node.destroy_publisher(self._publisher)

    def wait_for_subscriber(self) -> None:
        """Wait until the recognizer has subscribed; raises TimeoutError."""
        self.until(self._publisher.get_subscription_count, "a recognizer that subscribes to the images")
        self._due = time.monotonic()

    def next_image(self, size: tuple = SMALL, ahead_sec: float = 0.0) -> Image:
        """The next image of the scene, after the camera's clock jumped ahead."""
        self._stamp_ns += self._period_ns + round(ahead_sec * 10**9)
        pixels = self._pictures[size][self._shown % len(self._pictures[size])]
        self._shown += 1
        image = Image(height=size[0], width=size[1], encoding="rgb8", step=3 * size[1], data=pixels)
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(self._stamp_ns, 10**9)
        image.header.frame_id = "camera"
        return image

    def publish(self, image: Image) -> None:
        """Publish an image and record when."""
        self._sent[_nanoseconds(image)] = time.monotonic()
        if len(self._sent) > 1000:
            self._sent.pop(next(iter(self._sent)))
        self._publisher.publish(image)

    def keep_pace(self) -> None:
        """Receive labels until the next image is due."""
        self._due += self._interval
        while (left := self._due - time.monotonic()) > 0:
            self.spin_once(left)
        self._due = max(self._due, time.monotonic() - 1.0)  # after a long fault, no burst

    def reset(self) -> None:
        """Reset the recognizer's stream."""
        self.call(Trigger, f"{RECOGNIZER}/reset", Trigger.Request())

    def visit(self) -> None:
        """Let another participant join, subscribe to the labels, and leave."""
        with Participant("visitor") as visitor:
            visitor.node.create_subscription(Classification, LABELS, lambda _: None, 1)
            self.spin_once(0.05)

    def _on_label(self, message: Any) -> None:
        self.labels += 1
        sent = self._sent.get(_nanoseconds(message))
        if sent is not None:
            self.latencies.append(time.monotonic() - sent)


def _nanoseconds(message: Any) -> int:
    return int(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)


def _pictures(size: tuple) -> List[array.array]:
    frames = [frame for action in ACTIONS for frame in render_clip(action, 3.0, 30.0, size, seed=2)]
    return [array.array("B", frame.rgb.tobytes()) for frame in frames]
