"""Half an hour of a camera, faster than real time, with another fault each minute: python benchmarks/soak/node.py.

Publishes --minutes 30 of a 30 Hz camera to a real recognizer over DDS at --speed times real time. Prints the labels of
each minute, and memory, threads, open files and latency, as JSON; exits with 1 where a minute has no labels or a
figure is not flat. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))
from processes import Process, isolate, node
from vitals import Vitals, drift, latency_drift, vitals

FPS = 30
SAMPLES_PER_MINUTE = 6
# Limit for each minute of the camera; one image that is never freed takes 57 kB.
MOST_KB = 50.0
SLOWER = 1.5


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=30, metavar="N")
    parser.add_argument("--speed", type=float, default=8.0, metavar="X")
    parser.add_argument("--minute-sec", type=int, default=60, metavar="S", help="length of a minute, for a short run")
    parser.add_argument("--model", default="default", metavar="FILE")
    options = parser.parse_args()
    isolate(domain=1 + os.getpid() % 100)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "recognizer.log"
        with node("recognizer", log, {"model": options.model, "image_qos": "reliable"}) as process:
            found = soak(process, options.minutes, options.minute_sec * FPS, options.speed, Path(folder))
        found["tracebacks"] = log.read_text(errors="replace").count("Traceback")
        found["exit_code"] = process.exit_code
    found["flat"] = found["flat"] and found["tracebacks"] == found["exit_code"] == 0
    print(json.dumps(found, indent=1))
    return 0 if found["flat"] else 1


def soak(process: Process, minutes: int, ticks: int, speed: float, folder: Path) -> Dict[str, Any]:
    """Play minutes of `ticks` ticks of the camera, one fault after the other."""
    from faults import FAULTS
    from participants import Player

    samples: List[Vitals] = []
    rows: List[Dict[str, Any]] = []
    with Player(FPS, speed, folder) as player:
        player.wait_for_subscriber()
        for minute in range(minutes):
            name, fault = FAULTS[minute % len(FAULTS)]
            labels, begin = player.labels, time.monotonic()
            for index, images in enumerate(fault(player, ticks)):
                for image in images:
                    player.publish(image)
                player.keep_pace()
                if index % (ticks // SAMPLES_PER_MINUTE) == 0:
                    samples.append(vitals(process.pid, minute + index / ticks))
            seconds, rss_kb = time.monotonic() - begin, vitals(process.pid, 0).rss_kb
            rows.append({"fault": name, "labels": player.labels - labels, "seconds": seconds, "rss_kb": rss_kb})
        player.spin_once(0.5)  # the last labels
        memory, latency = drift(samples, unit=1.0), latency_drift(player.latencies)
    flat = memory["rss_slope_kb"] < MOST_KB and memory["threads_range"] <= 1 and memory["files_range"] <= 2
    flat = flat and latency["ratio"] < SLOWER and all(row["labels"] for row in rows)
    return {"minutes": rows, "frames": minutes * ticks, **memory, "latency": latency, "flat": bool(flat)}


if __name__ == "__main__":
    sys.exit(main())
