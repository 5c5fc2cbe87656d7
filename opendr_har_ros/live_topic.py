"""Frames of an image topic, for `opendr-har live --topic`."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List

import rclpy
from rclpy.executors import SingleThreadedExecutor

from opendr_har_core.errors import ImageError
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_ros.common.image_subscription import ImageSubscription
from opendr_har_ros.common.images import frame_from_message, stamp_of
from opendr_har_ros.common.qos import AUTO, COMPRESSED, RAW, SUFFIX
from opendr_har_ros.common.running import start_rclpy

NODE = "opendr_har_live"
SPIN_SEC = 0.1


def topic_source(topic: str) -> Callable[[Callable[[], bool]], Iterator[AnyFrame]]:
    """A function that iterates over the topic's frames until `is_stopped()`; stamps are those of the headers.

    A topic whose name ends in /compressed is subscribed to as CompressedImage.
    """
    return lambda is_stopped: _frames(topic, is_stopped)


def _frames(topic: str, is_stopped: Callable[[], bool]) -> Iterator[AnyFrame]:
    transport = COMPRESSED if topic.endswith(SUFFIX) else RAW
    start_rclpy(["--ros-args", "-r", f"image_raw:={topic}"])
    node = rclpy.create_node(NODE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    newest: List[Any] = []
    images = ImageSubscription(node, "", transport, AUTO, lambda message: newest.__setitem__(slice(None), [message]))
    try:
        while not is_stopped():
            executor.spin_once(timeout_sec=SPIN_SEC)
            if newest:
                yield from _frame(newest.pop(), transport)
    finally:
        images.close()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def _frame(message: Any, transport: str) -> Iterator[AnyFrame]:
    try:
        yield frame_from_message(message, transport, stamp_of(message.header))
    except ImageError:  # skip a damaged image
        return
