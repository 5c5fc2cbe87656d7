"""`make demo`: a video publisher and a recognizer as separate processes, and what comes out, live."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, List, Optional

from opendr_har_core.errors import HarError
from opendr_har_core.media.video import is_camera, probe, write_video
from opendr_har_core.recordings.label_video import passes_needed, reachable_min_frames
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.streaming.settings import StreamSettings
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.process import prepare_process
from opendr_har_ros.common.stop import StopFlag
from opendr_har_ros.common.subprocesses import Child, child_environment

# Its first label comes within the first second.
MODEL = "continual"
BAR = 20
SECONDS_PER_ACTION = 4.0
FPS = 30.0
NO_LABEL, WRONG, INTERRUPTED = 1, 2, 130


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the demonstration; 0 when labels came."""
    options = _parser().parse_args(arguments)
    prepare_process()
    os.environ.update(child_environment())
    try:
        with tempfile.TemporaryDirectory(prefix="opendr_har_demo_") as folder:
            return _show(options.model, options.video or str(_rendered(Path(folder))), options.video is None)
    except HarError as error:
        sys.stderr.write(f"demo: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--model",
        default=MODEL,
        help=f"bundle, .onnx, or a packaged model: continual, default, kinetics400 (default: {MODEL})",
    )
    parser.add_argument("--video", help="file, or 0 for the webcam (default: a clip drawn for the purpose)")
    return parser


def _rendered(folder: Path) -> Path:
    """A clip of all the actions that the packaged model knows, one after the other."""

    def frames() -> Any:
        for action in ACTIONS:
            # One figure throughout, of a seed that training never saw, and one of the many that are named rightly.
            yield from render_clip(action, SECONDS_PER_ACTION, FPS, seed=25)

    return write_video(folder / "figure.mp4", frames(), FPS)


def _show(model: str, video: str, rendered: bool) -> int:
    recognizer = Recognizer.open(model)
    passes, min_frames = 1, StreamSettings.min_frames
    if not rendered and not is_camera(video):
        info = probe(video)
        passes = passes_needed(recognizer.spec, info)
        min_frames = reachable_min_frames(recognizer.spec, info)
    frames_needed = recognizer.stream(min_frames=min_frames).status.silent_frames + 1
    _say(f"model  {recognizer.spec.name}: {recognizer.source}")
    _say(f"labels from sampled frame {frames_needed} on, label delay {recognizer.spec.delay_sec:.1f} s")
    if rendered:
        _say(f"video  a drawn figure, {SECONDS_PER_ACTION:.0f} s each: {', '.join(ACTIONS)}")
    else:
        _say(f"video  {video}" + (f", played {passes} times to get past the warm-up" if passes > 1 else ""))
    # From here on a flag: rclpy would lose a KeyboardInterrupt that is raised within its own callbacks.
    stop = StopFlag()
    with ExitStack() as stack:
        node = {"model": str(bundle_path(model).resolve()), "min_frames": min_frames}
        recognizer_process = Child("recognizer", node)
        stack.callback(recognizer_process.end)
        source = video if is_camera(video) else str(Path(video).resolve())
        # The recognizer and, for the first image, the viewer: labels that nobody waits for are not computed.
        publisher = Child("video_publisher", {"video": f"'{source}'", "loop": passes, "wait_for_subscribers": 2})
        stack.callback(publisher.end)
        viewer = _Viewer(frames_needed)
        stack.callback(viewer.close)
        return viewer.watch(recognizer_process, publisher, stop)


class _Viewer:
    """A third ROS process: subscribes to what the recognizer publishes and prints it, by time since the first image."""

    def __init__(self, frames_needed: int) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from sensor_msgs.msg import Image

        from opendr_har_ros.common.qos import LABELS, image_qos
        from opendr_har_ros.common.run import start_rclpy
        from opendr_har_ros.common.vision_messages import MessageFactory

        self._rclpy = rclpy
        start_rclpy([])
        self._node = rclpy.create_node("demo_viewer")
        kind = MessageFactory().classification_type
        self._node.create_subscription(kind, "/recognizer/classification", self._on_classification, LABELS)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._images = self._node.create_subscription(Image, "/image_raw", self._on_image, image_qos(reliable=False))
        self._labels: Counter = Counter()
        self._latencies: List[float] = []
        self._first_image: Optional[float] = None
        self._first: Optional[float] = None
        self._last = 0.0
        self._frames_needed = frames_needed

    def watch(self, recognizer: Child, publisher: Child, stop: StopFlag) -> int:
        """Print until the video has ended or `stop` is raised; returns the exit code."""
        ends_at: Optional[float] = None
        while ends_at is None or time.monotonic() < ends_at:
            self._rclpy.spin_once(self._node, timeout_sec=0.05)
            if self._first_image is not None and self._images is not None:
                self._node.destroy_subscription(self._images)
                self._images = None
            if stop.raised:
                return INTERRUPTED
            if recognizer.exit_code is not None:
                sys.stderr.write(f"demo: the recognizer ended with code {recognizer.exit_code}\n")
                return WRONG
            if publisher.exit_code is not None and ends_at is None:
                ends_at = time.monotonic() + 0.5  # what is on its way still counts
        if publisher.exit_code:
            return WRONG
        return self._summary()

    def close(self) -> None:
        """Leave the graph."""
        from opendr_har_ros.common.run import stop_rclpy

        self._node.destroy_node()
        stop_rclpy()

    def _on_image(self, message: Any) -> None:
        if self._first_image is None:
            self._first_image = _stamp_sec(message)

    def _on_classification(self, message: Any) -> None:
        from opendr_har_ros.common.vision_messages import class_name

        now = time.time()
        latency = now - _stamp_sec(message)
        best = message.results[0]
        label = class_name(best)
        if self._first is None:
            self._first = now
            self._first_image = self._first_image or _stamp_sec(message)
            _say(f"{'time':>9}  {'label':<28} score {'':<{BAR + 2}} {'rate':>13}  latency")
        self._labels[label] += 1
        self._latencies.append(latency)
        self._last = now
        bar = "#" * round(BAR * best.score)
        _say(
            f"{now - (self._first_image or now):7.2f} s  {label:<28} {best.score:5.2f} |{bar:<{BAR}}|"
            f" {self._rate():>13}  {1000 * latency:4.1f} ms"
        )

    def _on_diagnostics(self, message: Any) -> None:
        """Until the first label: how far the warm-up is."""
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
            sys.stderr.write("demo: no label came; see the log above\n")
            return NO_LABEL
        ordered = sorted(self._latencies)
        middle, high = ordered[count // 2], ordered[round(0.95 * (count - 1))]
        seen = ", ".join(f"{label} {times}x" for label, times in self._labels.most_common())
        _say(f"\n{count} labels, {self._rate()}: {seen}" if count > 1 else f"\n1 label: {seen}")
        _say(f"image published -> label received: median {1000 * middle:.1f} ms, 95 % within {1000 * high:.1f} ms")
        return 0


def _stamp_sec(message: Any) -> float:
    return float(message.header.stamp.sec + message.header.stamp.nanosec / NANOSECONDS)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
