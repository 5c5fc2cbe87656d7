"""Cost and latency of the node `people` over DDS: 1 to 8 real people in a camera of 640x480 and 30 Hz.

python benchmarks/people/node.py [--models default continual] [--people 1 2 4 8] [--seconds 20] [--rounds 3]

The people come from the gesture videos of ../shared, placed side by side; the packaged detector finds them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "ros"))
from observer import Observer
from processes import Process, isolate, node
from run import measured

from opendr_har_core.media.video import read_video
from opendr_har_core.people.detector import NanoDet

VIDEOS = Path(os.environ.get("HAR_SHARED", "../shared")) / "videos" / "gestures_rgb"
DOMAIN, FPS, FRAMES = 103, 30, 60
WIDTH, HEIGHT = 640, 480
ROOM = np.array([-0.25, -0.1, 0.25, 0.1])  # around a box, for arms
TOPIC = "/people/people"


class PeopleObserver(Observer):
    """Counts messages in which a person has a new label."""

    def __init__(self) -> None:
        from vision_msgs.msg import Detection2DArray

        super().__init__([TOPIC], ["/people"], Detection2DArray)
        self._latest: Dict[str, Tuple[float, ...]] = {}
        self.people: List[int] = []

    def on_label(self, topic: str, message: Any) -> None:
        """Only new ones: a message repeats the labels of the people whose turn it is not."""
        scores = {item.id: tuple(result.hypothesis.score for result in item.results) for item in message.detections}
        self.people.append(len(scores))
        if any(values and values != self._latest.get(id) for id, values in scores.items()):
            super().on_label(topic, message)
        self._latest = scores


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["default", "continual"])
    parser.add_argument("--people", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--camera", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.camera:
        publish(options.camera)
        return
    isolate(DOMAIN)
    print("| model | people | seen | cores | latency ms p50 | p95 | p99 | detector ms | step ms | peak MB | dropped |")
    print(f"|{' --- |' * 11}")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for model in options.models:
                for people in options.people:
                    print(row(model, people, options.seconds, Path(folder)), flush=True)


def row(model: str, people: int, seconds: float, folder: Path) -> str:
    """One run of the node."""
    with ExitStack() as stack:
        labeller = stack.enter_context(node("people", folder / "node.log", {"model": model}))
        observer = stack.enter_context(PeopleObserver())
        stack.enter_context(Process([__file__, "--camera", str(people)], folder / "camera.log"))
        found = measured([labeller], observer, seconds)
        values = observer.values
    seen, latency = np.mean(observer.people[-round(seconds * FPS / 2) :]), found["latency_ms"]
    figures = [f"{seen:.1f}", f"{found['cpu_percent_of_a_core'] / 100:.2f}"]
    figures += [f"{latency[name]:.0f}" for name in ("p50", "p95", "p99")]
    figures += [values.get("detector (ms)", ""), values.get("step (ms)", ""), f"{found['peak_rss_mb']:.0f}"]
    return f"| {model} | {people} | {' | '.join(figures)} | {found['frames dropped']} |"


def publish(people: int) -> None:
    """Be the camera, until SIGINT or SIGTERM."""
    import array

    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import Image

    from opendr_har_ros.common.process import StopFlag, keep_image_buffers

    images = [
        Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=array.array("B", rgb.tobytes()))
        for rgb in pictures(people)
    ]
    stop = StopFlag()
    keep_image_buffers()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    camera = rclpy.create_node("benchmark_camera")
    publisher = camera.create_publisher(Image, "image_raw", qos_profile_sensor_data)
    begun, count = time.monotonic(), 0
    while not stop.raised:
        # Forwards and backwards, so that nobody jumps.
        image = images[FRAMES - 1 - abs(FRAMES - 1 - count % (2 * FRAMES - 1))]
        image.header.stamp = camera.get_clock().now().to_msg()
        publisher.publish(image)
        count += 1
        time.sleep(max(0.0, begun + count / FPS - time.monotonic()))
    camera.destroy_node()
    rclpy.try_shutdown()


def pictures(people: int) -> List[np.ndarray]:
    """Frames of as many gesture videos side by side, each cut to the person."""
    detector, videos = NanoDet(), sorted(VIDEOS.glob("*.avi"))
    found = [np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(FRAMES)]
    for number in range(people):
        frames = [frame.rgb for frame, _ in zip(read_video(str(videos[3 * number])), range(FRAMES))]
        box = detector.detect(frames[0]).boxes[0]
        left, top, right, bottom = (box + ROOM * np.tile(box[2:] - box[:2], 2)).round().astype(int).clip(0)
        scale = min(WIDTH / people / (right - left), HEIGHT / (bottom - top))
        x = WIDTH * number // people
        for picture, rgb in zip(found, frames):
            part = cv2.resize(rgb[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            part = part[:HEIGHT, : WIDTH // people]
            picture[: len(part), x : x + part.shape[1]] = part
    return found


if __name__ == "__main__":
    main()
