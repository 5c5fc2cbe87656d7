"""Half an hour of a camera, played faster, with another fault in each minute: python benchmarks/soak/node.py.

--minutes 30 of a 30 Hz camera are published to a real recognizer over DDS at --speed times their own speed. Prints, as
JSON, what came of each minute, and what memory, threads, open files and latency do; exits with 1 where labels stayed
away or something is not flat. One should be alone on the machine.
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
from processes import Process, isolate, recognizer
from vitals import Vitals, drift, latency_drift, vitals

FPS = 30
LOOKS_A_MINUTE = 6
# For each minute of the camera. An image that stayed in each minute would be 57 kB.
MOST_KB = 50.0
SLOWER = 1.5


def main() -> int:
    """Run as told by the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=30, metavar="N")
    parser.add_argument("--speed", type=float, default=8.0, metavar="X")
    parser.add_argument("--minute-sec", type=int, default=60, metavar="S", help="shorter minutes, for a quick look")
    parser.add_argument("--model", default="default", metavar="FILE")
    options = parser.parse_args()
    isolate(domain=1 + os.getpid() % 100)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "recognizer.log"
        with recognizer(log, {"model": options.model, "image_qos": "reliable"}) as node:
            found = soak(node, options.minutes, options.minute_sec * FPS, options.speed, Path(folder))
        found["tracebacks"] = log.read_text(errors="replace").count("Traceback")
        found["exit_code"] = node.exit_code
    found["flat"] = found["flat"] and found["tracebacks"] == found["exit_code"] == 0
    print(json.dumps(found, indent=1))
    return 0 if found["flat"] else 1


def soak(node: Process, minutes: int, ticks: int, speed: float, folder: Path) -> Dict[str, Any]:
    """Play minutes of so many ticks of the camera, one fault after the other."""
    from faults import FAULTS
    from player import Player

    looks: List[Vitals] = []
    rows: List[Dict[str, Any]] = []
    with Player(FPS, speed, folder) as player:
        player.wait_until_heard()
        for minute in range(minutes):
            name, fault = FAULTS[minute % len(FAULTS)]
            labels, begin = player.labels, time.monotonic()
            for index, images in enumerate(fault(player, ticks)):
                for image in images:
                    player.publish(image)
                player.keep_pace()
                if index % (ticks // LOOKS_A_MINUTE) == 0:
                    looks.append(vitals(node.pid, minute + index / ticks))
            seconds, rss_kb = time.monotonic() - begin, vitals(node.pid, 0).rss_kb
            rows.append({"fault": name, "labels": player.labels - labels, "seconds": seconds, "rss_kb": rss_kb})
        player.settle()
        memory, latency = drift(looks, unit=1.0), latency_drift(player.latencies)
    flat = memory["rss_slope_kb"] < MOST_KB and memory["threads_range"] <= 1 and memory["files_range"] <= 2
    flat = flat and latency["ratio"] < SLOWER and all(row["labels"] for row in rows)
    return {"minutes": rows, "frames": minutes * ticks, **memory, "latency": latency, "flat": bool(flat)}


if __name__ == "__main__":
    sys.exit(main())
