"""`make demo`: a video publisher and a recognizer in processes of their own, and their labels as a table."""

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
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from opendr_har_core.errors import HarError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import VideoInfo, is_camera, probe, write_video
from opendr_har_core.recordings.label_video import reachable_min_frames
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.streaming.settings import StreamSettings
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.process import StopFlag, prepare_process

# Labels from the first second on.
MODEL = "continual"
CLASSIFICATION = "/recognizer/classification"
BAR = 20
SECONDS_PER_ACTION = 4.0
FPS = 30.0
# A figure that is not in the training data.
SEED = 25
END_SEC = 5.0
# Labels still arrive after the publisher has ended.
GRACE_SEC = 0.5
NO_LABEL, WRONG, INTERRUPTED = 1, 2, 130


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the demonstration; returns 0 if labels arrived, 1 if none did, 2 for an error, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    prepare_process()
    os.environ.update(ros_environment())
    try:
        recognizer = Recognizer.open(options.model)  # before the clip, which takes seconds to render
        with tempfile.TemporaryDirectory(prefix="opendr_har_demo_") as folder:
            video = options.video or str(_rendered(Path(folder)))
            return _show(recognizer, options.model, video, options.video is None)
    except HarError as error:
        sys.stderr.write(f"demo: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED


def ros_environment() -> Dict[str, str]:
    """The environment with defaults: localhost only, a domain of its own, short log lines."""
    environment = dict(os.environ)
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment.setdefault("ROS_LOCALHOST_ONLY", "1")
    environment.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    environment.setdefault("RCUTILS_CONSOLE_OUTPUT_FORMAT", "[{name}] {message}")
    return environment


def passes_needed(spec: ModelSpec, info: VideoInfo) -> int:
    """How often to play a video so that its last pass is labelled from the beginning; 1 if its length is unknown."""
    silent_sec = spec.silent_frames * max(1 / info.fps, spec.period_ns / NANOSECONDS)
    return 1 + math.ceil(round(silent_sec / (info.length_sec or math.inf), 6))  # 3 * 0.4 / 0.1 is slightly more than 12


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--model",
        default=MODEL,
        help=f"bundle (.onnx) or packaged model: continual, default, kinetics400 (default: {MODEL})",
    )
    parser.add_argument("--video", help="video file, or 0 for the webcam (default: a rendered clip)")
    return parser


def _rendered(folder: Path) -> Path:
    """A clip of one figure that performs each action of the packaged models in turn."""

    def frames() -> Iterator[Frame]:
        for action in ACTIONS:
            yield from render_clip(action, SECONDS_PER_ACTION, FPS, seed=SEED)

    return write_video(folder / "figure.mp4", frames(), FPS)


def _show(recognizer: Recognizer, model: str, video: str, rendered: bool) -> int:
    passes, min_frames = 1, StreamSettings.min_frames
    if not rendered and not is_camera(video):
        info = probe(video)
        passes = passes_needed(recognizer.spec, info)
        min_frames = reachable_min_frames(recognizer.spec, info)
    frames_needed = recognizer.stream(min_frames=min_frames).status.silent_frames + 1
    _say(f"model  {recognizer.spec.name}: {recognizer.source}")
    _say(f"labels from sampled frame {frames_needed} on, label delay {recognizer.spec.delay_sec:.1f} s")
    if rendered:
        _say(f"video  a rendered figure, {SECONDS_PER_ACTION:.0f} s each: {', '.join(ACTIONS)}")
    else:
        _say(f"video  {video}" + (f", played {passes} times to complete the warm-up" if passes > 1 else ""))
    # A flag instead of KeyboardInterrupt, which rclpy discards when it is raised inside a callback.
    stop = StopFlag()
    with ExitStack() as stack:
        recognizer_process = NodeProcess(
            "recognizer", {"model": str(bundle_path(model).resolve()), "min_frames": min_frames}
        )
        stack.callback(recognizer_process.end)
        source = video if is_camera(video) else str(Path(video).resolve())
        # Two subscribers: the recognizer, and the viewer until the first image.
        publisher = NodeProcess("video_publisher", {"video": f"'{source}'", "loop": passes, "wait_for_subscribers": 2})
        stack.callback(publisher.end)
        viewer = _Viewer(frames_needed)
        stack.callback(viewer.close)
        return viewer.watch(recognizer_process, publisher, stop)


class NodeProcess:
    """A node of this package in a process of its own."""

    def __init__(self, executable: str, parameters: Dict[str, Any]) -> None:
        """`executable` is a function of the module `entry`."""
        code = f"import sys; from opendr_har_ros.entry import {executable}; sys.exit({executable}())"
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        command = [sys.executable, "-c", code, "--ros-args", *arguments]
        # A session of its own, so that Ctrl-C reaches only this process, which then ends the others in order.
        self._process = subprocess.Popen(command, env=ros_environment(), start_new_session=True)

    @property
    def exit_code(self) -> Optional[int]:
        """None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Send SIGINT, and kill the process if it does not end in time."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_SEC)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Viewer:
    """Subscribes to the recognizer's topics and prints each label with its time since the first image."""

    def __init__(self, frames_needed: int) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from sensor_msgs.msg import Image

        from opendr_har_ros.common.qos import LABELS, image_qos
        from opendr_har_ros.common.running import start_rclpy
        from opendr_har_ros.common.vision_messages import Classification

        self._rclpy = rclpy
        start_rclpy([])
        self._node = rclpy.create_node("demo_viewer")
        self._node.create_subscription(Classification, CLASSIFICATION, self._on_classification, LABELS)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._images: Any = None
        self._subscribe = partial(
            self._node.create_subscription, Image, "/image_raw", self._on_image, image_qos(reliable=False)
        )
        self._labels: Counter = Counter()
        self._latencies: List[float] = []
        self._first_image: Optional[float] = None
        self._first: Optional[float] = None
        self._last = 0.0
        self._frames_needed = frames_needed

    def watch(self, recognizer: NodeProcess, publisher: NodeProcess, stop: StopFlag) -> int:
        """Print labels until the video has ended or `stop` is raised; returns the exit code."""
        ends_at: Optional[float] = None
        while ends_at is None or time.monotonic() < ends_at:
            self._rclpy.spin_once(self._node, timeout_sec=0.05)
            # The video starts with this subscription: not before labels can arrive.
            if self._first_image is None and self._images is None and self._node.count_publishers(CLASSIFICATION):
                self._images = self._subscribe()
            if self._first_image is not None and self._images is not None:
                self._node.destroy_subscription(self._images)
                self._images = None
            if stop.raised:
                return INTERRUPTED
            if recognizer.exit_code is not None:
                sys.stderr.write(f"demo: the recognizer ended with exit code {recognizer.exit_code}\n")
                return WRONG
            if publisher.exit_code is not None and ends_at is None:
                ends_at = time.monotonic() + GRACE_SEC
        if publisher.exit_code:
            return WRONG
        return self._summary()

    def close(self) -> None:
        """Destroy the node."""
        self._node.destroy_node()
        self._rclpy.try_shutdown()

    def _on_image(self, message: Any) -> None:
        if self._first_image is None:
            self._first_image = _stamp_sec(message)

    def _on_classification(self, message: Any) -> None:
        now = time.time()
        latency = now - _stamp_sec(message)
        best = message.results[0]
        if self._first is None:
            self._first = now
            self._first_image = self._first_image or _stamp_sec(message)
            _say(f"{'time':>9}  {'label':<28} score {'':<{BAR + 2}} {'rate':>13}  latency")
        self._labels[best.class_id] += 1
        self._latencies.append(latency)
        self._last = now
        bar = "#" * round(BAR * best.score)
        _say(
            f"{now - (self._first_image or now):7.2f} s  {best.class_id:<28} {best.score:5.2f} |{bar:<{BAR}}|"
            f" {self._rate():>13}  {1000 * latency:4.1f} ms"
        )

    def _on_diagnostics(self, message: Any) -> None:
        """Print the warm-up's progress until the first label."""
        for status in message.status:
            stream = next((item.value for item in status.values if item.key == "stream"), "")
            if self._first is None and stream.startswith("warming"):
                _say(f"           {stream} (the first label needs {self._frames_needed} sampled frames)")

    def _rate(self) -> str:
        elapsed = self._last - (self._first or self._last)
        return f"{(sum(self._labels.values()) - 1) / elapsed:.1f} labels/s" if elapsed > 0 else ""

    def _summary(self) -> int:
        count = sum(self._labels.values())
        if not count:
            sys.stderr.write("demo: no label arrived; see the log above\n")
            return NO_LABEL
        ordered = sorted(self._latencies)
        median, high = ordered[count // 2], ordered[round(0.95 * (count - 1))]
        seen = ", ".join(f"{label} {times}x" for label, times in self._labels.most_common())
        _say(f"\n{count} labels, {self._rate()}: {seen}" if count > 1 else f"\n1 label: {seen}")
        _say(f"image published -> label received: median {1000 * median:.1f} ms, 95 % within {1000 * high:.1f} ms")
        return 0


def _stamp_sec(message: Any) -> float:
    return float(message.header.stamp.sec + message.header.stamp.nanosec / NANOSECONDS)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
