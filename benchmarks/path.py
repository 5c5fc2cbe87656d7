"""What a frame costs beside the network: from message bytes to network input, and around the runtime's call.

python benchmarks/path.py [--model FILE.onnx] [--rounds 300] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional

import numpy as np

from opendr_har_core import Frame, Recognizer
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_ros.images import frame_from_image

SIZES = ((480, 640), (720, 1280))
ENCODINGS = {"rgb8": 3, "bgr8": 3, "bgra8": 4, "mono8": 1, "yuv422_yuy2": 2}
NETWORK_SIZES = (160, 224, 312)
PERIOD_NS = 200_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="CoX3D bundle to measure the overhead around")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: Dict[str, Any] = {"image_path_ms": image_paths(options.rounds)}
    if options.model:
        report["overhead_ms"] = overhead(options.model, options.rounds)
        say(f"own overhead around the runtime's call, a step: {report['overhead_ms']:.3f} ms")
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1), encoding="utf-8")


def image_paths(rounds: int) -> List[Dict[str, Any]]:
    """Message bytes -> uint8 (S, S, 3), for every size and encoding; all by turns in one run."""
    cases = [
        (f"{width}x{height} {encoding} -> {side}", path_of(message(height, width, encoding, channels), side))
        for height, width in SIZES
        for encoding, channels in ENCODINGS.items()
        for side in NETWORK_SIZES
    ]
    times: Dict[str, List[float]] = {name: [] for name, _ in cases}
    for _ in range(rounds):
        for name, run in cases:
            times[name].append(milliseconds(run))
    for name, values in times.items():
        say(f"{name:<32} {statistics.median(values):6.3f} ms")
    return [{"case": name, "median_ms": statistics.median(values)} for name, values in times.items()]


def message(height: int, width: int, encoding: str, channels: int) -> Any:
    """What a sensor_msgs/Image has in it."""
    pixels = np.random.default_rng(0).integers(0, 256, height * width * channels, dtype=np.uint8)
    data = array("B")
    data.frombytes(pixels.tobytes())
    step = width * channels
    return SimpleNamespace(height=height, width=width, encoding=encoding, step=step, is_bigendian=0, data=data)


def path_of(image: Any, side: int) -> Callable[[], Any]:
    """All that happens to a message before the network."""
    return lambda: to_network_input(frame_from_image(image, 0).rgb, side)


def overhead(model: Path, rounds: int) -> float:
    """Median of push less median of the runtime's own call within it, for a frame of the network's size."""
    recognizer = Recognizer.open(model)
    side = recognizer.spec.image_size
    stream = recognizer.stream(sampling="every_frame")
    sessions = recognizer._backend._sessions._current
    clock = sessions.single = _CallClock(sessions.single)
    rgb = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    around: List[float] = []
    for index in range(rounds + recognizer.spec.warm_up):
        frame = Frame(rgb, index * PERIOD_NS)
        whole = milliseconds(lambda frame=frame: stream.push(frame))
        if stream.status.phase == "running":
            around.append(whole - clock.last_ms)
    return statistics.median(around)


class _CallClock:
    """A session that remembers how long its last run took."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.last_ms: Optional[float] = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_with_iobinding(self, binding: Any) -> None:
        self.last_ms = milliseconds(lambda: self._session.run_with_iobinding(binding))


def milliseconds(run: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
