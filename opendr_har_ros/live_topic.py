"""The part of `opendr-har live --topic` that needs ROS 2: the frames of an image topic."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List

import rclpy
from rclpy.executors import SingleThreadedExecutor

from opendr_har_core.errors import ImageError
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_ros.common.image_subscription import ImageInput
from opendr_har_ros.common.images import frame_from_compressed, frame_from_image
from opendr_har_ros.common.run import start_rclpy, stop_rclpy
from opendr_har_ros.recognizer.parameters import AUTO, COMPRESSED, RAW

NODE = "opendr_har_live"
SUFFIX = "/compressed"
SPIN_SEC = 0.1


def topic_source(topic: str) -> Callable[[Callable[[], bool]], Iterator[AnyFrame]]:
    """What opens an image topic, raw or, where its name ends in /compressed, compressed; frames carry their stamps."""
    return lambda is_stopped: _frames(topic, is_stopped)


def _frames(topic: str, is_stopped: Callable[[], bool]) -> Iterator[AnyFrame]:
    transport = COMPRESSED if topic.endswith(SUFFIX) else RAW
    name = "image_raw" + (SUFFIX if transport == COMPRESSED else "")
    start_rclpy(["--ros-args", "-r", f"{name}:={topic}"])
    node = rclpy.create_node(NODE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    newest: List[Any] = []
    images = ImageInput(node, "", transport, AUTO, lambda message: newest.__setitem__(slice(None), [message]))
    try:
        while not is_stopped():
            executor.spin_once(timeout_sec=SPIN_SEC)
            if newest:
                yield from _frame(newest.pop(), transport)
    finally:
        images.close()
        executor.shutdown()
        node.destroy_node()
        stop_rclpy()


def _frame(message: Any, transport: str) -> Iterator[AnyFrame]:
    stamp = message.header.stamp
    convert = frame_from_compressed if transport == COMPRESSED else frame_from_image
    try:
        yield convert(message, stamp.sec * NANOSECONDS + stamp.nanosec)
    except ImageError:  # one damaged image ends nothing
        return
