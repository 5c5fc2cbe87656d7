"""Cameras that publish a synthetic figure as rgb8 images: python benchmarks/ros/camera.py FPS WIDTHxHEIGHT TOPIC ...

Stamps are the time of publishing; several topics are published one after the other in each interval.
"""

from __future__ import annotations

import array
import sys
import time
from typing import List

import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.process import StopFlag, keep_image_buffers

CLIP_SEC, CLIP_FPS = 3.0, 10.0


def main() -> None:
    """Publish until SIGINT or SIGTERM."""
    fps, size, *topics = sys.argv[1:]
    width, height = map(int, size.split("x"))
    stop = StopFlag()
    keep_image_buffers()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("benchmark_camera")
    publishers = [node.create_publisher(Image, topic, qos_profile_sensor_data) for topic in topics]
    images = pictures(width, height)
    interval, count, start = 1 / float(fps), 0, time.monotonic()
    while not stop.raised:
        for index, publisher in enumerate(publishers):
            image = images[(count // 3 + 5 * index) % len(images)]
            image.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(image)
        count += 1
        time.sleep(max(0.0, start + count * interval - time.monotonic()))
    node.destroy_node()
    rclpy.try_shutdown()


def pictures(width: int, height: int) -> List[Image]:
    """The frames of a synthetic clip as messages."""
    messages = []
    for frame in render_clip("walking", CLIP_SEC, CLIP_FPS, size=(height, width), seed=1):
        pixels = array.array("B", frame.rgb.tobytes())
        messages.append(Image(height=height, width=width, encoding="rgb8", step=3 * width, data=pixels))
    return messages


if __name__ == "__main__":
    main()
