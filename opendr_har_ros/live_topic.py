"""Frames of an image topic, for `opendr-har live --topic`."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, Deque, Iterator

import rclpy

from opendr_har_core.errors import ImageError
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_ros.common.image_subscription import ImageSubscription
from opendr_har_ros.common.images import frame_from_message, stamp_of
from opendr_har_ros.common.qos import AUTO, COMPRESSED, RAW, SUFFIX
from opendr_har_ros.common.running import start_rclpy

NODE = "opendr_har_live"
CHECK_EVERY_SEC = 0.2


def topic_source(topic: str) -> Callable[[Callable[[], bool]], Iterator[AnyFrame]]:
    """A function that iterates over the topic's frames until `is_stopped()`; stamps are those of the headers.

    A topic whose name ends in /compressed is subscribed to as CompressedImage.
    """
    return lambda is_stopped: _frames(topic, is_stopped)


def _frames(topic: str, is_stopped: Callable[[], bool]) -> Iterator[AnyFrame]:
    transport = COMPRESSED if topic.endswith(SUFFIX) else RAW
    start_rclpy(["--ros-args", "-r", f"image_raw:={topic}"])
    node = rclpy.create_node(NODE, start_parameter_services=False)
    newest: Deque[Any] = deque(maxlen=1)
    arrived = threading.Event()

    def keep(message: Any) -> None:
        newest.append(message)
        arrived.set()

    images = ImageSubscription(node, "", transport, AUTO, keep)
    try:
        while not is_stopped():
            if arrived.wait(CHECK_EVERY_SEC):
                arrived.clear()
                yield from _frame(newest.pop(), transport)
            else:
                images.follow_publishers()
    finally:
        images.close()
        node.destroy_node()
        rclpy.try_shutdown()


def _frame(message: Any, transport: str) -> Iterator[AnyFrame]:
    try:
        yield frame_from_message(message, transport, stamp_of(message.header))
    except ImageError:  # skip a damaged image
        return
