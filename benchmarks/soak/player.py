"""A camera that can be made to misbehave, and that sees the labels of its images."""

from __future__ import annotations

import array
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from participant import Participant
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification

from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.qos import image_qos

NODE, TOPIC = "/recognizer", "image_raw"
LABELS = f"{NODE}/classification"
ACTIONS = ("walking", "jumping jacks", "bending")
SMALL, LARGE = (120, 160), (240, 320)
START_NS = 10**9


class Player(Participant):
    """Publishes images of a drawn figure at `speed` times their rate, stamped with the time of the scene."""

    def __init__(self, fps: int, speed: float, folder: Path) -> None:
        """`folder` is for files that faults need."""
        super().__init__("soak_camera")
        self.folder = folder
        self.period_ns = 10**9 // fps
        self.labels = 0
        self.latencies: List[float] = []
        self._interval = 1 / (fps * speed)
        self._films = {size: _film(size) for size in (SMALL, LARGE)}
        self._stamp_ns, self._shown = START_NS, 0
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

    def wait_until_heard(self) -> None:
        """Until the recognizer has subscribed; raises TimeoutError."""
        self.until(self._publisher.get_subscription_count, "a recognizer that subscribes to the images")
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
            self.take(left)
        self._due = max(self._due, time.monotonic() - 1.0)  # after a long fault, no burst

    def settle(self) -> None:
        """Wait for the last labels."""
        self.take(0.5)

    def reset(self) -> None:
        """Let the recognizer forget."""
        self.call(Trigger, f"{NODE}/reset", Trigger.Request())

    def visit(self) -> None:
        """Somebody with a laptop joins, looks at the labels, and leaves."""
        with Participant("visitor") as visitor:
            visitor.node.create_subscription(Classification, LABELS, lambda _: None, 1)
            self.take(0.05)

    def _on_label(self, message: Any) -> None:
        self.labels += 1
        sent = self._sent.get(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
        if sent is not None:
            self.latencies.append(time.monotonic() - sent)


def _film(size: tuple) -> List[array.array]:
    frames = [frame for action in ACTIONS for frame in render_clip(action, 3.0, 30.0, size, seed=2)]
    return [array.array("B", np.ascontiguousarray(frame.rgb).tobytes()) for frame in frames]
