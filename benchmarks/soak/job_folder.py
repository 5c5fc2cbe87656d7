"""What a training job reads and writes, and whether what it left is whole."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any, Dict, List

from opendr_har_core.errors import HarError
from opendr_har_core.media.video import write_video
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.training.checkpoint import last_step, read_checkpoint

ACTIONS = ("jumping", "no activity")
VIDEOS = 3
DAY_SEC = 86400.0
SECONDS, FPS, SIZE = 1.5, 15.0, (72, 96)


class JobFolder:
    """A folder with clips to train on, and what a job makes of them; remembers what was wrong at any look."""

    def __init__(self, folder: Path, steps: int) -> None:
        """`steps` is the length of a job."""
        self._clips, self._cache, self._made = folder / "clips", folder / "cache", folder / "made"
        self._made.mkdir()
        self.output = self._made / "mine.onnx"
        self._checkpoints = self._made / "checkpoints"
        self._steps = steps
        self._step = 0
        self._wrong: List[str] = []
        for action in ACTIONS:
            _draw(self._clips / action, action)

    @property
    def parameters(self) -> Dict[str, Any]:
        """A trainer's, for a job that writes as much as it can: a checkpoint for each update, clips into a cache."""
        files = {"data": self._clips, "val": self._clips, "output": self.output, "cache": self._cache}
        files["checkpoint_folder"] = self._checkpoints
        network = {"network": "x3d", "size": "xs", "freeze": "head", "batch_size": 2, "num_workers": 1}
        length = {"steps": self._steps, "epochs": self._steps, "checkpoint_every_steps": 1, "resume": True}
        return {**files, **network, **length, "nice": 0}

    def begin_anew(self) -> None:
        """Forget the job so far, and the clips that it kept."""
        shutil.rmtree(self._made)
        shutil.rmtree(self._cache, ignore_errors=True)
        self._made.mkdir()
        self._step = 0

    def look(self) -> int:
        """Read all that is there; how many updates the last checkpoint is further than at the look before."""
        self._wrong += self._unreadable()
        before, self._step = self._step, last_step(self._checkpoints)
        if self._step < before:
            self._wrong.append(f"the last checkpoint is of step {self._step}, it was of {before}")
        return self._step - before

    @property
    def wrong(self) -> List[str]:
        """What could not be read, or was lost, at any look."""
        return list(self._wrong)

    @property
    def half_written(self) -> List[Path]:
        """Files that were begun, and are hidden until they are whole."""
        return sorted(path for folder in (self._made, self._cache) for path in folder.rglob(".*"))

    def let_a_day_pass(self) -> None:
        """As far as files tell the time."""
        then = time.time() - DAY_SEC
        for path in self.half_written:
            os.utime(path, (then, then))

    def _unreadable(self) -> List[str]:
        files = [*self._checkpoints.glob("[!.]*.ckpt"), *self._made.glob("[!.]*.onnx")]
        return [error for path in files for error in [_error(path)] if error]


def _error(path: Path) -> str:
    """Why a file can't be used; empty if it can."""
    try:
        if path.suffix == ".onnx":
            Recognizer.open(path)
        else:
            read_checkpoint(path)
    except HarError as error:
        return str(error)
    return ""


def _draw(folder: Path, action: str) -> None:
    folder.mkdir(parents=True)
    for seed in range(VIDEOS):
        write_video(folder / f"{seed}.mp4", render_clip(action, SECONDS, FPS, SIZE, seed), FPS)
