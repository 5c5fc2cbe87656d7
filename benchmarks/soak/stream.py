"""A hundred thousand frames through one stream at full speed: python benchmarks/soak/stream.py [--frames 100000].

Prints memory, threads, open files and the time of a step as JSON; exits with 1 where they are not flat.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any, Dict, List

from vitals import Vitals, drift, latency_drift, vitals

from opendr_har_core import Frame, Recognizer
from opendr_har_core.synthetic.scene import render_clip

FPS = 30
CAMERA = (120, 160)
# Limit for each thousand frames; a thousand frames that are never freed take 57,600 kB.
MOST_KB = 100.0
SLOWER = 1.5


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000, metavar="N")
    parser.add_argument("--model", default="default", metavar="FILE")
    parser.add_argument("--sampling", default="stamps")
    options = parser.parse_args()
    found = soak(Recognizer.open(options.model), options.frames, options.sampling)
    print(json.dumps(found, indent=1))
    return 0 if found["flat"] else 1


def soak(recognizer: Recognizer, count: int, sampling: str) -> Dict[str, Any]:
    """Push `count` frames of a 30 Hz camera at full speed."""
    pictures = [frame.rgb for frame in render_clip("walking", 4.0, FPS, CAMERA, seed=1)]
    stream = recognizer.stream(sampling=sampling)
    samples: List[Vitals] = []
    steps: List[float] = []
    labels, begin = 0, time.monotonic()
    for index in range(count):
        start = time.perf_counter()
        labels += stream.push(Frame(pictures[index % len(pictures)], index * 10**9 // FPS)) is not None
        if stream.status.sampled:
            steps.append(time.perf_counter() - start)
        if index % (count // 100) == 0:
            samples.append(vitals(os.getpid(), index))
    memory, times = drift(samples, unit=1000), latency_drift(steps)
    flat = memory["rss_slope_kb"] < MOST_KB and times["ratio"] < SLOWER
    flat = flat and memory["threads_range"] == memory["files_range"] == 0
    counts = {"frames": count, "steps": len(steps), "labels": labels, "seconds": time.monotonic() - begin}
    return {"model": recognizer.spec.name, **counts, **memory, "step": times, "flat": bool(flat)}


if __name__ == "__main__":
    sys.exit(main())
