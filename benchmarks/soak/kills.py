"""Fifty kills at random moments: python benchmarks/soak/kills.py [--times 50] [--victim recognizer|publisher].

A publisher plays a video to a recognizer over DDS. One of the two is killed (SIGKILL) after a random time, every third
time while it starts, and started again, as a launch file with `respawn` does. Prints, as JSON, how long it took until
labels came again and how the survivor changed; exits with 1 where something went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))
from processes import isolate, node
from vitals import vitals

from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip

RECOGNIZER, PUBLISHER = "recognizer", "video_publisher"
LONGEST_LIFE_SEC, LONGEST_START_SEC = 5.0, 1.5
PATIENCE_SEC = 60.0
SHARED_MEMORY = Path("/dev/shm")
# The first kills cost memory once, so the survivor is compared after half of the kills and after all.
MOST_KB_PER_KILL = 200.0


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50, metavar="N")
    parser.add_argument("--victim", choices=("recognizer", "publisher"), default="recognizer")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    isolate(domain=1 + os.getpid() % 100)
    victim = RECOGNIZER if options.victim == "recognizer" else PUBLISHER
    with tempfile.TemporaryDirectory() as folder:
        found = kills(victim, options.times, random.Random(options.seed), Path(folder))
    print(json.dumps(found, indent=1))
    return 0 if found["sound"] else 1


def kills(victim: str, times: int, rng: random.Random, folder: Path) -> Dict[str, Any]:
    """Kill the victim `times` times."""
    from participants import Viewer

    video = write_video(folder / "walking.mp4", render_clip("walking", 4.0, 10.0, (120, 160), seed=1), 10.0)
    parameters: Dict[str, Dict[str, Any]] = {
        RECOGNIZER: {"model": "default"},
        PUBLISHER: {"video": video, "loop": 0},
    }
    (other,) = set(parameters) - {victim}
    recoveries: List[float] = []
    logs = [folder / f"{victim}_{index}.log" for index in range(times + 1)]
    before = shared_memory_mb()
    with ExitStack() as stack:
        viewer = stack.enter_context(Viewer())
        survivor = stack.enter_context(node(other, folder / "survivor.log", parameters[other]))
        process = stack.enter_context(node(victim, logs[0], parameters[victim]))
        viewer.wait_for_label(PATIENCE_SEC)
        samples = [vitals(survivor.pid, 0)]
        for index in range(times):
            time.sleep(rng.uniform(0.0, LONGEST_START_SEC if _dies_starting(index) else LONGEST_LIFE_SEC))
            os.kill(process.pid, signal.SIGKILL)
            process = stack.enter_context(node(victim, logs[index + 1], parameters[victim]))
            if not _dies_starting(index + 1):
                recoveries.append(viewer.wait_for_label(PATIENCE_SEC))
            if survivor.exit_code is not None:
                raise RuntimeError(f"the survivor ended with {survivor.exit_code}")
            samples.append(vitals(survivor.pid, index + 1))
    half = samples[times // 2]
    growth_kb = (samples[-1].rss_kb - half.rss_kb) / (times - times // 2)
    threads, files = samples[-1].threads - half.threads, samples[-1].files - half.files
    tracebacks = sum(log.read_text(errors="replace").count("Traceback") for log in [*logs, folder / "survivor.log"])
    return {
        "victim": victim,
        "kills": times,
        "recovered": len(recoveries),
        "recovery_sec": {"median": statistics.median(recoveries), "longest": max(recoveries)},
        "survivor": {"kb_per_kill": growth_kb, "threads": threads, "files": files},
        "shared_memory_left_mb": shared_memory_mb() - before,
        "tracebacks": tracebacks,
        "sound": tracebacks == 0 and growth_kb < MOST_KB_PER_KILL and threads <= 1 and files <= 4,
    }


def _dies_starting(index: int) -> bool:
    """Whether the process with that index is killed before it has started."""
    return index % 3 == 2


def shared_memory_mb() -> float:
    """Shared memory in use by all programs: killed processes can't remove theirs."""
    return sum(path.stat().st_blocks * 512 for path in SHARED_MEMORY.iterdir()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
