"""The recognizer node over DDS: latency, processor time, drops and memory, and what ROS adds to the bare library.

python benchmarks/ros/run.py MODEL.onnx [FIGURE ...] [--slow-model MODEL.onnx] [--seconds 30] [--json FILE]

Figures: `rate` (a 30 Hz camera of 640x480 rgb8, at the model's own rate and at every frame), `overload` (a camera four
times as fast as the node can be, with --slow-model, so that not the camera is what is slow), `cameras` (four in one
node, and in four), `overhead` (round trips against the library on the same frames). All by default.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

from observer import Observer
from processes import cameras, isolate, recognizer

from opendr_har_core import Recognizer
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

DOMAIN = 101
OVERLOAD = 4
FOUR = ("front", "rear", "left", "right")
CAMERAS_HZ = 15.0
SETTLE_SEC = 5.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="CoX3D bundle")
    parser.add_argument("figures", nargs="*", default=[], help="rate, overload, cameras, overhead")
    parser.add_argument("--slow-model", type=Path, help="CoX3D bundle to overload")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    isolate(DOMAIN)
    report: Dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.figures or FIGURES:
            report[name] = FIGURES[name](options, Path(folder))
            say(json.dumps({name: report[name]}, indent=1))
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1), encoding="utf-8")


def rate(options: Any, folder: Path) -> Dict[str, Any]:
    """One camera of 30 Hz, at the model's own rate and at every frame."""
    return {
        sampling: one_node(options.model, folder, {"sampling": sampling}, 30.0, options.seconds)
        for sampling in ("stamps", "every_frame")
    }


def overload(options: Any, folder: Path) -> Dict[str, Any]:
    """How old the newest label gets when images come four times as fast as they can be worked on."""
    model = options.slow_model or options.model
    step_sec = steady_step_sec(model)
    result = one_node(model, folder, {"sampling": "every_frame"}, OVERLOAD / step_sec, options.seconds)
    return {
        **result,
        "library_step_ms": 1000 * step_sec,
        "oldest_in_steps": result["latency_ms"]["max"] / (1000 * step_sec),
    }


def one_node(model: Path, folder: Path, parameters: Dict[str, Any], fps: float, seconds: float) -> Dict[str, Any]:
    """A camera, a recognizer, and what an observer sees."""
    with ExitStack() as stack:
        node = stack.enter_context(recognizer(folder / "node.log", {"model": model, **parameters}))
        observer = stack.enter_context(Observer(["/recognizer/classification"], ["/recognizer"]))
        stack.enter_context(cameras(folder / "camera.log", fps, ["image_raw"]))
        return measured([node], observer, seconds, {"camera_hz": fps})


def four(options: Any, folder: Path) -> Dict[str, Any]:
    """Four cameras in one node, and in four nodes."""
    images = [f"{name}/image_raw" for name in FOUR]
    result = {}
    with ExitStack() as stack:
        node = stack.enter_context(
            recognizer(folder / "one.log", {"model": options.model, "cameras": f"[{','.join(FOUR)}]"})
        )
        topics = [f"/recognizer/{name}/classification" for name in FOUR]
        observer = stack.enter_context(Observer(topics, ["/recognizer"]))
        stack.enter_context(cameras(folder / "cameras.log", CAMERAS_HZ, images))
        result["one node"] = measured([node], observer, options.seconds)
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                recognizer(
                    folder / f"{name}.log",
                    {"model": options.model},
                    {"__ns": f"/{name}", "image_raw": f"/{name}/image_raw"},
                )
            )
            for name in FOUR
        ]
        topics = [f"/{name}/recognizer/classification" for name in FOUR]
        observer = stack.enter_context(Observer(topics, [f"/{name}/recognizer" for name in FOUR]))
        stack.enter_context(cameras(folder / "cameras.log", CAMERAS_HZ, images))
        result["four nodes"] = measured(nodes, observer, options.seconds)
    return result


def measured(nodes: Sequence[Any], observer: Observer, seconds: float, facts: Any = ()) -> Dict[str, Any]:
    """What happens in `seconds`, once labels have come for a while."""
    observer.wait_for_labels()
    time.sleep(SETTLE_SEC)
    observer.begin()
    cpu, begun = [node.cpu_sec for node in nodes], time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    used = sum(node.cpu_sec - before for node, before in zip(nodes, cpu))
    return {
        **dict(facts),
        **observer.summary(elapsed),
        "cpu_percent_of_a_core": 100 * used / elapsed,
        "peak_rss_mb": sum(node.peak_rss_mb for node in nodes),
    }


def overhead(options: Any, folder: Path) -> Dict[str, Any]:
    """Frames one by one to a node and to the library, by turns: time from publishing to label, and in `push`."""
    from round_trip import RoundTrip

    result = {}
    for executor in ("single", "events"):
        parameters = {"model": options.model, "sampling": "every_frame", "image_qos": "reliable", "executor": executor}
        with recognizer(folder / f"{executor}.log", parameters) as node:
            result[executor] = RoundTrip(options.model, node).measure(options.seconds)
    return result


def steady_step_sec(model: Path) -> float:
    """Time of a step of the library past its warm-up, as the node has it."""
    from camera import pictures

    from opendr_har_ros.common.images import frame_from_image

    stream = Recognizer.open(model).stream("every_frame")
    message = pictures(640, 480)[0]
    times: List[float] = []
    for index in range(stream.spec.warm_up + 30):
        start = time.perf_counter()
        stream.push(frame_from_image(message, (index + 1) * NANOSECONDS // 30))
        times.append(time.perf_counter() - start)
    return statistics.median(times[-30:])


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


FIGURES: Dict[str, Callable[[Any, Path], Dict[str, Any]]] = {
    "rate": rate,
    "overload": overload,
    "cameras": four,
    "overhead": overhead,
}

if __name__ == "__main__":
    main()
