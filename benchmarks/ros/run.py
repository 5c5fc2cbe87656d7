"""The recognizer node over DDS: latency, processor time, dropped frames and memory.

python benchmarks/ros/run.py MODEL.onnx [FIGURE ...] [--slow-model MODEL.onnx] [--seconds 30] [--json FILE]

Figures: `rate` (a 30 Hz camera of 640x480 rgb8, at the model's own rate and at every frame), `overload` (a camera four
times as fast as the library steps --slow-model), `cameras` (four in one node, and in four nodes). All by default.
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

import numpy as np
from observer import Observer
from processes import Process, cameras, isolate, node

from opendr_har_core import Frame, Recognizer
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path

DOMAIN = 101
OVERLOAD = 4
FOUR = ("front", "rear", "left", "right")
CAMERAS_HZ = 15.0
SETTLE_SEC = 5.0
STEPS = 30


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="CoX3D bundle")
    parser.add_argument("figures", nargs="*", default=[], help=", ".join(FIGURES))
    parser.add_argument("--slow-model", type=Path, help="CoX3D bundle to overload (default: MODEL)")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    isolate(DOMAIN)
    report: Dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.figures or FIGURES:
            report[name] = FIGURES[name](options, Path(folder))
            sys.stdout.write(json.dumps({name: report[name]}, indent=1) + "\n")
            sys.stdout.flush()
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
    """Age of the newest label while images arrive four times as fast as the library can step."""
    model = options.slow_model or options.model
    step_sec = steady_step_sec(model)
    result = one_node(model, folder, {"sampling": "every_frame"}, OVERLOAD / step_sec, options.seconds)
    in_steps = result["latency_ms"]["max"] / (1000 * step_sec)
    return {**result, "library_step_ms": 1000 * step_sec, "oldest_in_steps": in_steps}


def one_node(model: Path, folder: Path, parameters: Dict[str, Any], fps: float, seconds: float) -> Dict[str, Any]:
    """One camera and one recognizer."""
    with ExitStack() as stack:
        recognizer = stack.enter_context(node("recognizer", folder / "node.log", {"model": model, **parameters}))
        observer = stack.enter_context(Observer(["/recognizer/classification"], ["/recognizer"]))
        stack.enter_context(cameras(folder / "camera.log", fps, ["image_raw"]))
        return {"camera_hz": fps, **measured([recognizer], observer, seconds)}


def four(options: Any, folder: Path) -> Dict[str, Any]:
    """Four cameras in one node, and in four nodes."""
    images = [f"{name}/image_raw" for name in FOUR]
    result = {}
    with ExitStack() as stack:
        parameters = {"model": options.model, "cameras": f"[{','.join(FOUR)}]"}
        one = stack.enter_context(node("recognizer", folder / "one.log", parameters))
        topics = [f"/recognizer/{name}/classification" for name in FOUR]
        observer = stack.enter_context(Observer(topics, ["/recognizer"]))
        stack.enter_context(cameras(folder / "cameras.log", CAMERAS_HZ, images))
        result["one node"] = measured([one], observer, options.seconds)
    with ExitStack() as stack:
        nodes = []
        for name in FOUR:
            remaps = {"__ns": f"/{name}", "image_raw": f"/{name}/image_raw"}
            process = node("recognizer", folder / f"{name}.log", {"model": options.model}, remaps)
            nodes.append(stack.enter_context(process))
        topics = [f"/{name}/recognizer/classification" for name in FOUR]
        observer = stack.enter_context(Observer(topics, [f"/{name}/recognizer" for name in FOUR]))
        stack.enter_context(cameras(folder / "cameras.log", CAMERAS_HZ, images))
        result["four nodes"] = measured(nodes, observer, options.seconds)
    return result


def measured(nodes: Sequence[Process], observer: Observer, seconds: float) -> Dict[str, Any]:
    """Measure for `seconds`, after labels have come for a while."""
    observer.wait_for_labels()
    time.sleep(SETTLE_SEC)
    observer.begin()
    cpu, begun = [process.cpu_sec for process in nodes], time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    used = sum(process.cpu_sec - before for process, before in zip(nodes, cpu))
    return {
        **observer.summary(elapsed),
        "cpu_percent_of_a_core": 100 * used / elapsed,
        "peak_rss_mb": sum(process.peak_rss_mb for process in nodes),
    }


def steady_step_sec(model: Path) -> float:
    """Time of a step of the library after the warm-up, for 640x480 images."""
    stream = Recognizer.open(model).stream("every_frame")
    rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    times: List[float] = []
    for index in range(stream.recognizer.spec.warm_up + STEPS):
        start = time.perf_counter()
        stream.push(Frame(rgb, index * NANOSECONDS // 30))
        times.append(time.perf_counter() - start)
    return statistics.median(times[-STEPS:])


FIGURES: Dict[str, Callable[[Any, Path], Dict[str, Any]]] = {"rate": rate, "overload": overload, "cameras": four}

if __name__ == "__main__":
    main()
