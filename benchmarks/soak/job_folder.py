"""What a training job reads and writes, and whether what it left is whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

from opendr_har_core.errors import HarError
from opendr_har_core.recognizer import Recognizer
from opendr_har_core.synth.scene import render_clip
from opendr_har_core.training.checkpoint import last_step, read_checkpoint
from opendr_har_core.video import write_video

ACTIONS = ("jumping", "no activity")
VIDEOS = 3
FRAMES, FPS, SIZE = 1.5, 15.0, (72, 96)
STEPS_OF_A_JOB = 24


class JobFolder:
    """A folder with clips to train on; the counts are of all looks since the beginning."""

    def __init__(self, folder: Path) -> None:
        self._clips, self._cache = folder / "clips", folder / "cache"
        self._made = folder / "made"
        self._made.mkdir()
        self.output = self._made / "mine.onnx"
        self._checkpoints = self._made / "checkpoints"
        self._step = 0
        self._looks = 0
        self._went_on = 0
        self._broken: Set[str] = set()
        self._left: Set[str] = set()
        _draw(self._clips)

    @property
    def parameters(self) -> Dict[str, Any]:
        """A job of seconds that writes as much as it can: a checkpoint for each update, clips into a cache."""
        files = {"data": self._clips, "val": self._clips, "output": self.output, "cache": self._cache}
        network = {"network": "x3d", "size": "xs", "freeze": "head", "batch_size": 2}
        length = {"steps": STEPS_OF_A_JOB, "epochs": STEPS_OF_A_JOB, "checkpoint_every_steps": 1}
        return {
            **files,
            "checkpoint_folder": self._checkpoints,
            **network,
            **length,
            "num_workers": 1,
            "resume": True,
            "nice": 0,
        }

    def begin_anew(self) -> None:
        """Forget the job so far."""
        shutil.rmtree(self._made)
        self._made.mkdir()
        self._step = 0

    def look(self) -> None:
        """Read all that is there; begin anew where the job was done."""
        self._looks += 1
        self._broken |= set(self._unreadable())
        self._left |= {str(path) for path in self._strangers()}
        step = last_step(self._checkpoints)
        if step < self._step:
            self._broken.add(f"last step {step} after {self._step}")
        self._went_on += step > self._step > 0
        self._step = step
        if self.output.is_file():
            self.begin_anew()

    @property
    def found(self) -> Dict[str, Any]:
        """Of all looks."""
        return {
            "looks": self._looks,
            "went_on_from_a_checkpoint": self._went_on,
            "broken": sorted(self._broken),
            "half_written_files_left": sorted(self._left),
        }

    @property
    def sound(self) -> bool:
        """Whether nothing was broken or left behind."""
        return not self._broken and not self._left

    def _unreadable(self) -> Iterator[str]:
        """Why, of each file that is there and can't be used."""
        for path in self._checkpoints.glob("[!.]*.ckpt"):
            try:
                read_checkpoint(path)
            except HarError as error:
                yield str(error)
        if self.output.is_file():
            try:
                Recognizer.open(self.output)
            except HarError as error:
                yield str(error)

    def _strangers(self) -> List[Path]:
        """Hidden files are what is written until it is whole."""
        return [path for folder in (self._made, self._cache) for path in folder.rglob(".*")]


def _draw(folder: Path) -> None:
    for action in ACTIONS:
        (folder / action).mkdir(parents=True)
        for seed in range(VIDEOS):
            write_video(folder / action / f"{seed}.mp4", render_clip(action, FRAMES, FPS, SIZE, seed), FPS)
