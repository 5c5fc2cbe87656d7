"""`make demo`: a video publisher and a recognizer or people node in processes of their own, and their labels."""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import numpy as np

from opendr_har_core.errors import HarError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import VideoInfo, is_camera, probe, write_video
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.crowd import render_crowd
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.process import StopFlag, prepare_process

# Labels from the first second on.
MODEL = "continual"
# More accurate on crops of people.
PEOPLE_MODEL = "default"
CLASSIFICATION, PEOPLE = "/recognizer/classification", "/people/people"
# This machine only, a domain of its own, short log lines; the user's environment takes precedence.
ENVIRONMENT = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    "ROS_LOCALHOST_ONLY": "1",
    "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
    "RCUTILS_CONSOLE_OUTPUT_FORMAT": "[{name}] {message}",
}
BAR = 20
SECONDS_PER_ACTION = 4.0
FPS = 30.0
# A figure that is not in the training data.
SEED = 25
# People who do different things, on the spot.
CROWD, CROWD_SEED, CROWD_SEC, CROWD_FPS = ("waving both hands", "jumping jacks", "bending"), 5, 12.0, 15.0
END_SEC = 5.0
# Labels still arrive after the publisher has ended.
GRACE_SEC = 0.5
NO_LABEL, WRONG, INTERRUPTED = 1, 2, 130


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the demonstration; returns 0 if labels arrived, 1 if none did, 2 for an error, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    models = "bundle (.onnx) or packaged model: continual, default, kinetics400"
    parser.add_argument("--people", action="store_true", help="label each person, with the people node")
    parser.add_argument("--model", help=f"{models} (default: {MODEL}, with --people {PEOPLE_MODEL})")
    parser.add_argument("--video", help="video file, or 0 for the webcam (default: a rendered clip)")
    options = parser.parse_args(arguments)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    prepare_process()
    model = options.model or (PEOPLE_MODEL if options.people else MODEL)
    try:
        spec = Recognizer.open(model).spec  # before the clip, which takes seconds to render
        with tempfile.TemporaryDirectory(prefix="opendr_har_demo_") as folder:
            video = options.video or (_rendered_people if options.people else _rendered)(Path(folder))
            return _show(model, spec, video, options.people)
    except HarError as error:
        sys.stderr.write(f"demo: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED


def passes_needed(spec: ModelSpec, info: VideoInfo) -> int:
    """How often to play a video so that its last pass is labelled from the beginning; 1 if its length is unknown."""
    silent_sec = spec.silent_frames * max(1 / info.fps, spec.period_ns / NANOSECONDS)
    return 1 + math.ceil(round(silent_sec / (info.length_sec or math.inf), 6))  # 3 * 0.4 / 0.1 is slightly more than 12


def _rendered(folder: Path) -> str:
    """A clip of one figure that performs each action of the packaged models in turn."""

    def frames() -> Iterator[Frame]:
        for action in ACTIONS:
            yield from render_clip(action, SECONDS_PER_ACTION, FPS, seed=SEED)

    _say(f"rendering a figure, {SECONDS_PER_ACTION:.0f} s each: {', '.join(ACTIONS)}")
    return str(write_video(folder / "figure.mp4", frames(), FPS))


def _rendered_people(folder: Path) -> str:
    """A scene of three people."""
    _say(f"rendering {len(CROWD)} people: {', '.join(CROWD)}")
    frames = (each.frame for each in render_crowd(CROWD, CROWD_SEC, CROWD_FPS, seed=CROWD_SEED))
    return str(write_video(folder / "people.mp4", frames, CROWD_FPS))


def _show(model: str, spec: ModelSpec, video: str, people: bool) -> int:
    passes = 1 if people or is_camera(video) else passes_needed(spec, probe(video))
    source = video if is_camera(video) else Path(video).resolve()
    _say(f"playing {source}" + (f" {passes} times, to complete the warm-up" if passes > 1 else ""))
    # A flag instead of KeyboardInterrupt, which rclpy discards when it is raised inside a callback.
    stop = StopFlag()
    with ExitStack() as stack:
        executable = "people" if people else "recognizer"
        recognizer = stack.enter_context(_node(executable, model=bundle_path(model).resolve()))
        # Two subscribers: the recognizer, and the viewer until the first image.
        publisher = stack.enter_context(
            _node("video_publisher", video=f"'{source}'", loop=passes, wait_for_subscribers=2)
        )
        viewer = _Viewer(people)
        stack.callback(viewer.close)
        return viewer.watch(recognizer, publisher, stop)


@contextmanager
def _node(executable: str, **parameters: Any) -> Iterator[subprocess.Popen]:
    """A node of this package in a process of its own; `executable` is a function of the module `entry`."""
    code = f"import sys; from opendr_har_ros.entry import {executable}; sys.exit({executable}())"
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    # A session of its own, so that Ctrl-C reaches only this process, which then ends the others in order.
    process = subprocess.Popen([sys.executable, "-c", code, "--ros-args", *arguments], start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SEC)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Viewer:
    """Subscribes to labels and prints each with its time since the first image; of people, those that are new."""

    def __init__(self, people: bool) -> None:
        import rclpy

        from opendr_har_ros.common.qos import LABELS
        from opendr_har_ros.common.running import start_rclpy
        from opendr_har_ros.common.vision_messages import Classification, Detection2DArray

        self._rclpy = rclpy
        start_rclpy([])
        self._node = rclpy.create_node("demo_viewer")
        self._topic, kind = (PEOPLE, Detection2DArray) if people else (CLASSIFICATION, Classification)
        self._node.create_subscription(
            kind, self._topic, self._on_people if people else self._on_classification, LABELS
        )
        self._shown: Dict[str, str] = {}
        self._images: Any = None
        self._first_image: Optional[float] = None
        self._labels: List[str] = []
        self._times: List[float] = []
        self._latencies: List[float] = []

    def watch(self, recognizer: subprocess.Popen, publisher: subprocess.Popen, stop: StopFlag) -> int:
        """Print labels until the video has ended or `stop` is raised; returns the exit code."""
        ends_at = math.inf
        while time.monotonic() < ends_at:
            self._rclpy.spin_once(self._node, timeout_sec=0.05)
            self._await_first_image()
            if stop.raised:
                return INTERRUPTED
            if recognizer.poll() is not None:
                sys.stderr.write(f"demo: the recognizer ended with exit code {recognizer.returncode}\n")
                return WRONG
            if publisher.poll() is not None:
                ends_at = min(ends_at, time.monotonic() + GRACE_SEC)
        return WRONG if publisher.returncode else self._summary()

    def close(self) -> None:
        """Destroy the node."""
        self._node.destroy_node()
        self._rclpy.try_shutdown()

    def _await_first_image(self) -> None:
        """Subscribe to images, which starts the video, once labels can arrive, and until the first image has."""
        from sensor_msgs.msg import Image

        from opendr_har_ros.common.qos import image_qos

        if self._first_image is not None:
            if self._images is not None:
                self._node.destroy_subscription(self._images)
                self._images = None
        elif self._images is None and self._node.count_publishers(self._topic):
            qos = image_qos(reliable=False)
            self._images = self._node.create_subscription(Image, "/image_raw", self._on_image, qos)

    def _on_image(self, message: Any) -> None:
        if self._first_image is None:
            self._first_image = _stamp_sec(message)

    def _on_classification(self, message: Any) -> None:
        self._take(message, message.results[0])

    def _on_people(self, message: Any) -> None:
        for person in (person for person in message.detections if person.results):
            best = person.results[0].hypothesis
            is_new = self._shown.get(person.id) != best.class_id
            self._shown[person.id] = best.class_id
            self._take(message, best, f"{person.id} ", is_new)

    def _take(self, message: Any, best: Any, whose: str = "", is_printed: bool = True) -> None:
        now = time.time()
        latency_ms = 1000 * (now - _stamp_sec(message))
        if not self._labels:
            self._on_image(message)  # in case that no image has arrived
            _say(f"{'time':>9}  {'label':<28} score {'':<{BAR + 2}}  latency")
        label = f"{whose}{best.class_id}"
        self._labels.append(label)
        self._times.append(now)
        self._latencies.append(latency_ms)
        if not is_printed:
            return
        bar = f"|{'#' * round(BAR * best.score):<{BAR}}|"
        since_start = now - (self._first_image or now)
        _say(f"{since_start:7.2f} s  {label:<28} {best.score:5.2f} {bar}  {latency_ms:4.1f} ms")

    def _summary(self) -> int:
        if not self._labels:
            sys.stderr.write("demo: no label arrived; see the log above\n")
            return NO_LABEL
        count, elapsed = len(self._labels), self._times[-1] - self._times[0]
        rate = f", {(count - 1) / elapsed:.1f} labels/s" if count > 1 else ""
        seen = ", ".join(f"{label} {times}x" for label, times in Counter(self._labels).most_common())
        median, high = np.percentile(self._latencies, [50, 95])
        _say(f"\n{count} labels{rate}: {seen}")
        _say(f"image published -> label received: median {median:.1f} ms, 95 % within {high:.1f} ms")
        return 0


def _stamp_sec(message: Any) -> float:
    return float(message.header.stamp.sec + message.header.stamp.nanosec / NANOSECONDS)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
