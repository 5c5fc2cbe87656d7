"""Fifty kills at random moments: python benchmarks/soak/kills.py [--times 50] [--victim recognizer|publisher].

A publisher plays a film to a recognizer over DDS. One of the two is killed (SIGKILL) after a random time at work, every
third time while it starts, and started anew, as a launch file with `respawn` does. Prints, as JSON, whether labels came
again, after how long, and how the survivor is; exits with 1 where something went wrong.
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
from typing import Any, Callable, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))
from processes import Process, isolate, recognizer, video_publisher
from vitals import vitals

from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip

RECOGNIZER, PUBLISHER = "recognizer", "publisher"
LONGEST_LIFE_SEC, LONGEST_START_SEC = 5.0, 1.5
PATIENCE_SEC = 60.0
SHARED_MEMORY = Path("/dev/shm")
# The first neighbours cost memory once: what is compared is the survivor after half of the kills and after all.
MOST_KB_A_KILL = 200.0


def main() -> int:
    """Run as told by the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50, metavar="N")
    parser.add_argument("--victim", choices=(RECOGNIZER, PUBLISHER), default=RECOGNIZER)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    isolate(domain=1 + os.getpid() % 100)
    with tempfile.TemporaryDirectory() as folder:
        found = kills(options.victim, options.times, random.Random(options.seed), Path(folder))
    print(json.dumps(found, indent=1))
    return 0 if found["sound"] else 1


def kills(victim: str, times: int, rng: random.Random, folder: Path) -> Dict[str, Any]:
    """Kill the victim so many times."""
    from viewer import Viewer

    film = write_video(folder / "walking.mp4", render_clip("walking", 4.0, 10.0, (120, 160), seed=1), 10.0)
    makers: Dict[str, Callable[[Path], Process]] = {
        RECOGNIZER: lambda log: recognizer(log, {"model": "default"}),
        PUBLISHER: lambda log: video_publisher(log, {"video": film, "loop": 0}),
    }
    (other,) = set(makers) - {victim}
    recoveries: List[float] = []
    logs = [folder / f"{victim}_{index}.log" for index in range(times + 1)]
    before = shared_memory_mb()
    with ExitStack() as stack:
        viewer = stack.enter_context(Viewer())
        survivor = stack.enter_context(makers[other](folder / "survivor.log"))
        process = stack.enter_context(makers[victim](logs[0]))
        viewer.wait_for_label(PATIENCE_SEC)
        looks = [vitals(survivor.pid, 0)]
        for index in range(times):
            time.sleep(rng.uniform(0.0, LONGEST_START_SEC if _dies_young(index) else LONGEST_LIFE_SEC))
            os.kill(process.pid, signal.SIGKILL)
            process = stack.enter_context(makers[victim](logs[index + 1]))
            if not _dies_young(index + 1):
                recoveries.append(viewer.wait_for_label(PATIENCE_SEC))
            if survivor.exit_code is not None:
                raise RuntimeError(f"the survivor ended with {survivor.exit_code}")
            looks.append(vitals(survivor.pid, index + 1))
    half = looks[times // 2]
    growth_kb = (looks[-1].rss_kb - half.rss_kb) / (times - times // 2)
    tracebacks = sum(log.read_text(errors="replace").count("Traceback") for log in [*logs, folder / "survivor.log"])
    threads, files = looks[-1].threads - half.threads, looks[-1].files - half.files
    return {
        "victim": victim,
        "kills": times,
        "recovered": len(recoveries),
        "recovery_sec": {"median": statistics.median(recoveries), "longest": max(recoveries)},
        "survivor": {"kb_a_kill": growth_kb, "threads": threads, "files": files},
        "shared_memory_left_mb": shared_memory_mb() - before,
        "tracebacks": tracebacks,
        "sound": tracebacks == 0 and growth_kb < MOST_KB_A_KILL and threads <= 1 and files <= 4,
    }


def _dies_young(index: int) -> bool:
    """Whether the process of that number is killed before it has started."""
    return index % 3 == 2


def shared_memory_mb() -> float:
    """What DDS and others keep in shared memory: those who were killed could not remove theirs."""
    return sum(path.stat().st_blocks * 512 for path in SHARED_MEMORY.iterdir()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
