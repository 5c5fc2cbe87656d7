"""Fifty kills while training: python benchmarks/soak/training_kills.py [--times 50] [--victim trainer|training].

A trainer node trains repeatedly, each time from the last checkpoint on. Either the training subprocess or the node itself
is killed (SIGKILL) after a random time, from the start of PyTorch to the writing of the bundle. Prints, as JSON, whether
the files are whole and training continues from them; exits with 1 where something went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))
import psutil
from processes import Process, isolate, node
from vitals import Vitals, drift, vitals

from opendr_har_core.errors import HarError
from opendr_har_core.media.video import write_video
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.training.checkpoint import last_step, read_checkpoint

TRAINER, TRAINING = "trainer", "training"
# The first job imports PyTorch from a cold disk.
PATIENCE_SEC = 300.0
# Time for the current update, its checkpoint, and Python's exit.
ORPHAN_SEC = 60.0
MOST_KB_PER_KILL = 200.0
DAY_SEC = 86400.0


def main() -> int:
    """Run as the command line says."""
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


class Job:
    """Files that a training job reads and writes; collects what is wrong with them."""

    def __init__(self, folder: Path, steps: int) -> None:
        """`steps` is the length of a job."""
        self.output = folder / "made" / "mine.onnx"
        self.wrong: List[str] = []
        self._cache, self._made = folder / "cache", folder / "made"
        self._checkpoints = self._made / "checkpoints"
        self._step = 0
        self._made.mkdir()
        for action in ("jumping", "no activity"):
            (folder / "clips" / action).mkdir(parents=True)
            for seed in range(3):
                video = folder / "clips" / action / f"{seed}.mp4"
                write_video(video, render_clip(action, 1.5, 15.0, (72, 96), seed), 15.0)
        # A job that writes as much as possible: a checkpoint for each update, and clips into a cache.
        self.parameters: Dict[str, Any] = {
            "data": folder / "clips",
            "val": folder / "clips",
            "output": self.output,
            "cache": self._cache,
            "checkpoint_folder": self._checkpoints,
            "network": "x3d",
            "size": "xs",
            "freeze": "head",
            "batch_size": 2,
            "num_workers": 1,
            "steps": steps,
            "epochs": steps,
            "checkpoint_every_steps": 1,
            "resume": True,
            "nice": 0,
        }

    def restart(self) -> None:
        """Remove the job's results and cached clips."""
        shutil.rmtree(self._made)
        shutil.rmtree(self._cache, ignore_errors=True)
        self._made.mkdir()
        self._step = 0

    def check(self) -> int:
        """Read all files; returns the number of updates since the last check."""
        for path in [*self._checkpoints.glob("[!.]*.ckpt"), *self._made.glob("[!.]*.onnx")]:
            try:
                Recognizer.open(path) if path.suffix == ".onnx" else read_checkpoint(path)
            except HarError as error:
                self.wrong.append(str(error))
        before, self._step = self._step, last_step(self._checkpoints)
        if self._step < before:
            self.wrong.append(f"the last checkpoint is of step {self._step}, before it was of {before}")
        return self._step - before

    @property
    def half_written(self) -> List[Path]:
        """Temporary files that were never renamed."""
        return sorted(path for folder in (self._made, self._cache) for path in folder.rglob(".*"))

    def age_half_written(self) -> None:
        """Make temporary files a day old, as the trainer removes only old ones."""
        for path in self.half_written:
            os.utime(path, (time.time() - DAY_SEC,) * 2)


class Kills:
    """Kills one of two processes while a job runs, checks the files, and continues."""

    def __init__(self, victim: str, steps: int, rng: random.Random, folder: Path) -> None:
        from participants import TrainerClient

        self._victim, self._rng, self._folder = victim, rng, folder
        self._job = Job(folder, steps)
        self._stack = ExitStack()
        self._client = self._stack.enter_context(TrainerClient())
        self._node = self._new_node()
        self._over_sec: List[float] = []
        self._continued = 0
        self._samples: List[Vitals] = []

    def run(self, times: int) -> Dict[str, Any]:
        """Kill `times` times; returns the results."""
        with self._stack:
            job_sec = self._whole_job()
            while len(self._over_sec) < times:
                is_new = self._job.output.is_file()
                if is_new:
                    self._job.restart()
                self._kill(self._rng.uniform(0.0, job_sec))
                self._continued += self._job.check() > 0 and not is_new
                self._samples.append(vitals(self._node.pid, len(self._over_sec)))
            self._job.output.unlink(missing_ok=True)
            self._job.age_half_written()
            self._whole_job()
        return self._found(job_sec)

    def _whole_job(self) -> float:
        """Run a job to its end; returns its seconds. Raises RuntimeError where it has no bundle."""
        self._client.start()
        seconds = self._client.wait_for_end(PATIENCE_SEC)
        if not self._job.output.is_file():
            raise RuntimeError(f"an undisturbed job ended with {self._client.progress}")
        self._job.check()
        return seconds

    def _kill(self, after_sec: float) -> None:
        """Start a job, and kill the victim after some time, unless the job has ended by then."""
        self._client.start()
        end = time.monotonic() + after_sec
        while time.monotonic() < end and not self._client.over:
            self._client.spin_once(max(0.0, end - time.monotonic()))
        training = self._client.pid
        if self._client.over:
            return
        with suppress(ProcessLookupError):  # it may have just ended
            os.kill(training if self._victim == TRAINING else self._node.pid, signal.SIGKILL)
        if self._victim == TRAINING:
            self._over_sec.append(self._client.wait_for_end(PATIENCE_SEC))
        else:
            self._over_sec.append(self._client.until(lambda: not group(training), "the end of training", ORPHAN_SEC))
            self._node = self._new_node()
        if group(training):
            raise RuntimeError(f"training subprocesses are still running: {group(training)}")

    def _new_node(self) -> Process:
        log = self._folder / f"trainer_{time.monotonic_ns()}.log"
        process = self._stack.enter_context(node("trainer", log, self._job.parameters))
        self._client.wait_for_trainer()
        return process

    def _found(self, job_sec: float) -> Dict[str, Any]:
        logs = self._folder.glob("trainer_*.log")
        tracebacks = sum(log.read_text(errors="replace").count("Traceback") for log in logs)
        steady: Dict[str, Any] = drift(self._samples, unit=1.0) if self._victim == TRAINING else {}
        flat = not steady or (steady["rss_slope_kb"] < MOST_KB_PER_KILL and steady["files_range"] <= 2)
        left = [path.name for path in self._job.half_written]
        return {
            "victim": self._victim,
            "job_sec": job_sec,
            "killed": len(self._over_sec),
            "over_sec": {"median": statistics.median(self._over_sec), "longest": max(self._over_sec)},
            "continued_from_a_checkpoint": self._continued,
            "wrong": self._job.wrong,
            "half_written": {"in_the_end": left},
            "node": steady,
            "tracebacks": tracebacks,
            "sound": flat and not self._job.wrong and not left and tracebacks == 0,
        }


def group(pid: int) -> List[int]:
    """The live processes of a process group."""
    members = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == pid and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


if __name__ == "__main__":
    sys.exit(main())
