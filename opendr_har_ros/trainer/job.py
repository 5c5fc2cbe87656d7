"""One training job at a time, and how far it has come. No ROS here, and no thread: whoever owns it polls it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from opendr_har_core.errors import ConfigError
from opendr_har_ros.trainer.training_subprocess import Ending, TrainingChild

if TYPE_CHECKING:
    from opendr_har_ros.trainer.parameters import JobSettings

IDLE, STARTING, RUNNING, CANCELLING = "idle", "starting", "running", "cancelling"
DONE, CANCELLED, FAILED = "done", "cancelled", "failed"
# What the command calls its states; the rest of them are a job that runs.
LINE_STARTING, LINE_DONE, LINE_CANCELLED, LINE_FAILED = "starting", "done", "cancelled", "failed"
KILLED_SEC = 5.0


@dataclass(frozen=True)
class JobProgress:
    """How far a job has come; None and empty strings are what is not known (yet).

    Attributes:
        state: "idle", "starting", "running", "cancelling", "done", "cancelled" or "failed".
        phase: of a running job: "training", "validating", "epoch_end" or "exporting".
        job: the number of the job, from 1 on; 0 before the first.
        epoch, epochs, step, steps, loss, accuracy, val_loss, val_accuracy, best_accuracy, eta_sec: as in `Update`.
        elapsed_sec: since the job's start, until its end.
        output: the bundle; once "done", it is there.
        checkpoint_folder: where last.ckpt is.
        pid: the process that trains.
        error: why it failed.
        log: the last lines that it wrote to its standard error, when it has failed.
    """

    state: str = IDLE
    phase: str = ""
    job: int = 0
    epoch: Optional[int] = None
    epochs: Optional[int] = None
    step: Optional[int] = None
    steps: Optional[int] = None
    loss: Optional[float] = None
    accuracy: Optional[float] = None
    val_loss: Optional[float] = None
    val_accuracy: Optional[float] = None
    best_accuracy: Optional[float] = None
    eta_sec: Optional[float] = None
    elapsed_sec: Optional[float] = None
    output: str = ""
    checkpoint_folder: str = ""
    pid: Optional[int] = None
    error: str = ""
    log: str = ""


# What a line of the command may change; the rest is the job's own.
TOLD = ("epoch", "epochs", "step", "steps", "loss", "accuracy", "val_loss", "val_accuracy", "best_accuracy", "eta_sec")


class TrainerJob:
    """Starts, cancels and follows the process that trains; to be used from one thread."""

    def __init__(
        self,
        make_child: Callable[..., TrainingChild] = TrainingChild,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_child = make_child
        self._clock = clock
        self._child: Optional[TrainingChild] = None
        self._grace_sec = self._began = self._kill_at = 0.0
        self._killed = False
        self._progress = JobProgress()

    @property
    def runs(self) -> bool:
        """Whether a process trains now."""
        return self._child is not None

    @property
    def progress(self) -> JobProgress:
        """How far the job has come; that of the last one when none runs."""
        if self._child is None:
            return self._progress
        return replace(self._progress, elapsed_sec=self._clock() - self._began)

    def check_free(self) -> None:
        """Raise ConfigError while a job runs."""
        if self._child is not None:
            raise ConfigError(
                f"job {self._progress.job} is {self._progress.state}; wait for its end, or cancel it first"
            )

    def start(self, settings: JobSettings) -> None:
        """Start a job; raises ConfigError while another one runs, or when no process can be started."""
        self.check_free()
        try:
            self._child = self._make_child(settings.arguments, settings.nice, settings.threads)
        except OSError as error:
            raise ConfigError(f"no process can be started for training: {error}") from None
        self._grace_sec, self._began, self._killed = settings.grace_sec, self._clock(), False
        self._progress = JobProgress(
            state=STARTING,
            job=self._progress.job + 1,
            output=settings.output,
            checkpoint_folder=settings.checkpoint_folder,
            pid=self._child.pid,
        )

    def cancel(self) -> None:
        """Ask the job to end, with a checkpoint; raises ConfigError when none runs or it is asked already."""
        if self._child is None:
            raise ConfigError("nothing runs that could be cancelled")
        if self._progress.state == CANCELLING:
            raise ConfigError(f"job {self._progress.job} is already being cancelled; it ends within its grace")
        self._progress = replace(self._progress, state=CANCELLING)
        self._kill_at = self._clock() + self._grace_sec
        self._child.cancel()

    def poll(self) -> bool:
        """Take in what has come from the process; says whether anything has."""
        child = self._child
        if child is None:
            return False
        ending = child.ending  # before the lines: then the last ones are there
        lines = child.lines()
        for line in lines:
            self._take(line)
        if ending is not None:
            self._end(ending)
        elif self._progress.state == CANCELLING and not self._killed and self._clock() >= self._kill_at:
            self._killed = True
            child.kill()
        return bool(lines) or ending is not None

    def close(self) -> None:
        """End the job, if one runs, as `cancel` does, and wait for it."""
        child = self._child
        if child is None:
            return
        if self._progress.state != CANCELLING:
            self.cancel()
        if child.wait(max(0.0, self._kill_at - self._clock())) is None:
            self._killed = True
            child.kill()
            child.wait(KILLED_SEC)
        self.poll()

    def _take(self, line: Dict[str, Any]) -> None:
        state = line.get("state")
        told = {name: line[name] for name in TOLD if name in line}
        running = state not in (LINE_STARTING, LINE_DONE, LINE_CANCELLED, LINE_FAILED)
        if running and self._progress.state == STARTING:
            told["state"] = RUNNING
        self._progress = replace(self._progress, **told, phase=str(state) if running else "")

    def _end(self, ending: Ending) -> None:
        """A bundle that is there counts, whatever came after; then what the process says of itself."""
        told = ending.last.get("state")
        changes: Dict[str, Any] = {"state": FAILED, "error": ending.reason, "log": "\n".join(ending.errors)}
        if told == LINE_DONE:
            changes = {"state": DONE, "output": str(ending.last["output"])}
        elif told == LINE_CANCELLED or (self._progress.state == CANCELLING and told != LINE_FAILED):
            changes = {"state": CANCELLED, "error": self._late()}
        seconds = self._clock() - self._began
        self._progress = replace(self._progress, **changes, phase="", eta_sec=None, pid=None, elapsed_sec=seconds)
        self._child = None

    def _late(self) -> str:
        return f"killed, since it did not end within {self._grace_sec:g} s" if self._killed else ""
