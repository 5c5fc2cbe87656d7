"""How the cost grows with the number of cameras and with their frame rate.

python benchmarks/scaling.py MODEL.onnx [--threads N] [--rounds 15] [--json FILE] [--plot FILE.png]

Cameras are pushed together, as one batch. Frame rates are those of 640x480 bgr8 images, of which a stream samples those
that the model was trained with.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from opendr_har_core import Frame, LazyFrame, Recognizer
from opendr_har_core.storage.atomic import atomic_path

CAMERAS = (1, 2, 4, 8, 12, 16)
RATES_HZ = (5, 10, 15, 30, 60)
PERIOD_NS = 200_000_000
VIDEO_SEC = 4.0
SIZE = (480, 640)


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="CoX3D bundle")
    parser.add_argument("--threads", type=int, help="threads of one step (default: the library's)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="picture to write, needs matplotlib")
    options = parser.parse_args()
    recognizer = Recognizer.open(options.model, threads=options.threads)
    report = {
        "model": recognizer.spec.name,
        "cameras": by_cameras(recognizer, options.rounds),
        "rates": by_rate(recognizer, options.rounds),
    }
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1), encoding="utf-8")
    if options.plot:
        plot(report, options.plot)


def by_cameras(recognizer: Recognizer, rounds: int) -> List[Dict[str, float]]:
    """Milliseconds of one push of a frame to each of N cameras; the numbers take turns."""
    side = recognizer.spec.image_size
    rgb = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    streams = {count: [recognizer.stream(sampling="every_frame") for _ in range(count)] for count in CAMERAS}
    times: Dict[int, List[float]] = {count: [] for count in CAMERAS}
    for index in range(2 * rounds):
        for count, together in streams.items():
            start = time.perf_counter()
            recognizer.push_many([(stream, Frame(rgb, index * PERIOD_NS)) for stream in together])
            if index >= rounds:  # the first half fills caches and warms up
                times[count].append(1000 * (time.perf_counter() - start))
    rows = [{"cameras": count, "ms": statistics.median(values)} for count, values in times.items()]
    for row in rows:
        share = row["ms"] / row["cameras"] / rows[0]["ms"]
        say(f"{row['cameras']:3.0f} cameras  {row['ms']:8.2f} ms together, {share:5.2f} of one camera's time for each")
    return rows


def by_rate(recognizer: Recognizer, rounds: int) -> List[Dict[str, float]]:
    """CPU milliseconds for a second of video from one camera, by its frame rate; the rates take turns."""
    bgr = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    used: Dict[int, List[float]] = {rate: [] for rate in RATES_HZ}
    for _ in range(max(3, rounds // 3)):
        for rate in RATES_HZ:
            stream = recognizer.stream()
            start = time.process_time()
            for index in range(round(VIDEO_SEC * rate)):
                stream.push(LazyFrame(round(index * 1e9 / rate), SIZE, lambda: bgr[..., ::-1]))
            used[rate].append(1000 * (time.process_time() - start) / VIDEO_SEC)
    rows = [{"rate_hz": rate, "cpu_ms_per_sec": statistics.median(values)} for rate, values in used.items()]
    for row in rows:
        say(f"{row['rate_hz']:3.0f} Hz  {row['cpu_ms_per_sec']:8.2f} ms of CPU for a second of video")
    return rows


def plot(report: Dict[str, Any], path: Path) -> None:
    """Both curves beside each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([row["cameras"] for row in report["cameras"]], [row["ms"] for row in report["cameras"]], "o-")
    one = report["cameras"][0]["ms"]
    left.plot([1, CAMERAS[-1]], [one, one * CAMERAS[-1]], "--", color="grey", label="one camera's time, times cameras")
    left.set(xlabel="cameras", ylabel="ms for a frame of each", title=f"{report['model']}, pushed together")
    left.legend()
    right.plot([row["rate_hz"] for row in report["rates"]], [row["cpu_ms_per_sec"] for row in report["rates"]], "o-")
    right.set(xlabel="camera's frame rate, Hz", ylabel="CPU ms per second of video", title="640x480, one camera")
    right.set_ylim(0, 1.3 * max(row["cpu_ms_per_sec"] for row in report["rates"]))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
