"""Fifty kills while training: python benchmarks/soak/training_kills.py [--times 50] [--victim trainer|training].

A trainer node trains, again and again from the last checkpoint on. Either the process that trains or the node itself is
killed (SIGKILL) after a random time, from the start of PyTorch to the writing of the bundle. Prints, as JSON, whether
what is on the disk is whole and training goes on from it; exits with 1 where something went wrong.
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
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))
from job_folder import JobFolder
from processes import Process, isolate, trainer
from vitals import Vitals, drift, vitals

TRAINER, TRAINING = "trainer", "training"
# The first job imports PyTorch from a cold disk.
PATIENCE_SEC = 300.0
# An update under way, its checkpoint, and the end of Python.
ORPHAN_SEC = 60.0
MOST_KB_A_KILL = 200.0


def main() -> int:
    """Run as told by the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50, metavar="N")
    parser.add_argument("--victim", choices=(TRAINER, TRAINING), default=TRAINING)
    parser.add_argument("--steps", type=int, default=24, metavar="N", help="updates of a job")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    isolate(domain=1 + os.getpid() % 100)
    with tempfile.TemporaryDirectory() as folder:
        found = Kills(options.victim, options.steps, random.Random(options.seed), Path(folder)).run(options.times)
    print(json.dumps(found, indent=1))
    return 0 if found["sound"] else 1


class Kills:
    """Kills one of two processes while a job runs, looks at what is left, and goes on."""

    def __init__(self, victim: str, steps: int, rng: random.Random, folder: Path) -> None:
        from coach import Coach

        self._victim, self._rng, self._folder = victim, rng, folder
        self._job = JobFolder(folder, steps)
        self._stack = ExitStack()
        self._coach = self._stack.enter_context(Coach())
        self._node = self._new_node()
        self._moments: Counter = Counter()
        self._over_sec: List[float] = []
        self._went_on = 0
        self._most_half_written = 0
        self._looks: List[Vitals] = []

    def run(self, times: int) -> Dict[str, Any]:
        """Kill so many times; what came of it."""
        with self._stack:
            job_sec = self._whole_job()
            while len(self._over_sec) < times:
                began_anew = self._job.output.is_file()
                if began_anew:
                    self._job.begin_anew()
                self._kill(self._rng.uniform(0.0, job_sec))
                self._went_on += self._job.look() > 0 and not began_anew
                self._most_half_written = max(self._most_half_written, len(self._job.half_written))
                self._looks.append(vitals(self._node.pid, len(self._over_sec)))
            self._job.output.unlink(missing_ok=True)
            self._job.let_a_day_pass()
            self._whole_job()
            return self._found(job_sec)

    def _whole_job(self) -> float:
        """Let a job come to its end; seconds from its start to its bundle. Raises RuntimeError where there is none."""
        self._coach.start()
        seconds = self._coach.wait_for_end(PATIENCE_SEC)
        if not self._job.output.is_file():
            raise RuntimeError(f"an undisturbed job came to {self._coach.progress}")
        self._job.look()
        return seconds

    def _kill(self, after_sec: float) -> None:
        """Start a job, and kill the victim after a while, unless the job has ended by then."""
        self._coach.start()
        end = time.monotonic() + after_sec
        while time.monotonic() < end and not self._coach.over:
            self._coach.take(max(0.0, end - time.monotonic()))
        training = self._coach.pid
        self._moments[self._coach.progress["phase"] or self._coach.progress["state"]] += 1
        if self._coach.over:
            return
        if self._victim == TRAINING:
            _kill(training)
            self._over_sec.append(self._coach.wait_for_end(PATIENCE_SEC))
        else:
            _kill(self._node.pid)
            self._over_sec.append(self._coach.until(lambda: not group(training), "the end of training", ORPHAN_SEC))
            self._node = self._new_node()
        if group(training):
            raise RuntimeError(f"processes that train outlived their end: {group(training)}")

    def _new_node(self) -> Process:
        log = self._folder / f"trainer_{time.monotonic_ns()}.log"
        node = self._stack.enter_context(trainer(log, self._job.parameters))
        self._coach.meet()
        return node

    def _found(self, job_sec: float) -> Dict[str, Any]:
        logs = self._folder.glob("trainer_*.log")
        tracebacks = sum(log.read_text(errors="replace").count("Traceback") for log in logs)
        steady: Dict[str, Any] = drift(self._looks, unit=1.0) if self._victim == TRAINING else {}
        calm = not steady or (steady["rss_slope_kb"] < MOST_KB_A_KILL and steady["files_range"] <= 2)
        return {
            "victim": self._victim,
            "job_sec": job_sec,
            "moments": dict(self._moments),
            "killed": len(self._over_sec),
            "over_sec": {"median": statistics.median(self._over_sec or [0.0]), "longest": max(self._over_sec or [0.0])},
            "went_on_from_a_checkpoint": self._went_on,
            "wrong": self._job.wrong,
            "half_written": {
                "most": self._most_half_written,
                "in_the_end": [path.name for path in self._job.half_written],
            },
            "node": steady,
            "tracebacks": tracebacks,
            "sound": calm and not self._job.wrong and not self._job.half_written and tracebacks == 0,
        }


def _kill(pid: int) -> None:
    """It may have ended in this very moment."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def group(pid: int) -> List[int]:
    """The live processes of a process group; Linux's /proc."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = path.read_text().rsplit(")", 1)[1].split()[:3]
        except (OSError, IndexError):  # it has ended meanwhile
            continue
        if int(group) == pid and state != "Z":
            members.append(int(path.parent.name))
    return members


if __name__ == "__main__":
    sys.exit(main())
