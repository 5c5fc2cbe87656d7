"""One training job at a time and its progress, independent of ROS; the owner polls it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from opendr_har_core.errors import ConfigError
from opendr_har_ros.trainer.training_subprocess import Ending, TrainingSubprocess

if TYPE_CHECKING:
    from opendr_har_ros.trainer.parameters import JobSettings

IDLE, STARTING, RUNNING, CANCELLING = "idle", "starting", "running", "cancelling"
DONE, CANCELLED, FAILED = "done", "cancelled", "failed"
# States in the command's JSON lines; all others are phases of a running job.
LINE_STARTING, LINE_DONE, LINE_CANCELLED, LINE_FAILED = "starting", "done", "cancelled", "failed"
KILLED_SEC = 5.0


@dataclass(frozen=True)
class JobProgress:
    """A job's progress; None and empty strings mean unknown.

    Attributes:
        state: "idle", "starting", "running", "cancelling", "done", "cancelled" or "failed".
        phase: of a running job: "training", "validating", "epoch_end" or "exporting".
        job: the job's number, starting at 1; 0 before the first.
        epoch, epochs, step, steps, loss, accuracy, val_loss, val_accuracy, best_accuracy, eta_sec: as in `Update`.
        elapsed_sec: since the job's start, until its end.
        output: the bundle; it exists once the state is "done".
        checkpoint_folder: folder of last.ckpt.
        pid: of the training process.
        error: why it failed.
        log: the last lines of its standard error if it failed.
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


# Fields that the command's lines may set; the job sets the others.
FROM_LINES = (
    "epoch",
    "epochs",
    "step",
    "steps",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "best_accuracy",
    "eta_sec",
)


class TrainerJob:
    """Starts, cancels and follows the training process. Not thread-safe."""

    def __init__(
        self,
        start_process: Callable[..., TrainingSubprocess] = TrainingSubprocess,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start_process = start_process
        self._clock = clock
        self._process: Optional[TrainingSubprocess] = None
        self._grace_sec = self._began = self._kill_at = 0.0
        self._killed = False
        self._progress = JobProgress()

    @property
    def runs(self) -> bool:
        """Whether a training process is running."""
        return self._process is not None

    @property
    def progress(self) -> JobProgress:
        """The progress of the current job, or of the last one."""
        if self._process is None:
            return self._progress
        return replace(self._progress, elapsed_sec=self._clock() - self._began)

    def check_free(self) -> None:
        """Raise ConfigError while a job runs."""
        if self._process is not None:
            raise ConfigError(f"job {self._progress.job} is {self._progress.state}; wait for its end or cancel it")

    def start(self, settings: JobSettings) -> None:
        """Start a job; raises ConfigError while another one runs, or if the process can't be started."""
        self.check_free()
        try:
            self._process = self._start_process(settings.arguments, settings.nice, settings.threads)
        except OSError as error:
            raise ConfigError(f"the training process can't be started: {error}") from None
        self._grace_sec, self._began, self._killed = settings.grace_sec, self._clock(), False
        self._progress = JobProgress(
            state=STARTING,
            job=self._progress.job + 1,
            output=settings.output,
            checkpoint_folder=settings.checkpoint_folder,
            pid=self._process.pid,
        )

    def cancel(self) -> None:
        """Ask the job to write a checkpoint and end; raises ConfigError if none runs or it is being cancelled."""
        if self._process is None:
            raise ConfigError("no job is running")
        if self._progress.state == CANCELLING:
            raise ConfigError(f"job {self._progress.job} is already being cancelled; wait for its end")
        self._progress = replace(self._progress, state=CANCELLING)
        self._kill_at = self._clock() + self._grace_sec
        self._process.cancel()

    def poll(self) -> bool:
        """Read the process's output and state; returns whether anything changed."""
        process = self._process
        if process is None:
            return False
        ending = process.ending  # read it first: then the lines below are complete
        lines = process.lines()
        for line in lines:
            self._read(line)
        if ending is not None:
            self._end(ending)
        elif self._progress.state == CANCELLING and not self._killed and self._clock() >= self._kill_at:
            self._killed = True
            process.kill()
        return bool(lines) or ending is not None

    def close(self) -> None:
        """Cancel the job, if one runs, and wait for its end."""
        process = self._process
        if process is None:
            return
        if self._progress.state != CANCELLING:
            self.cancel()
        if process.wait(max(0.0, self._kill_at - self._clock())) is None:
            self._killed = True
            process.kill()
            process.wait(KILLED_SEC)
        self.poll()

    def _read(self, line: Dict[str, Any]) -> None:
        state = line.get("state")
        changes = {name: line[name] for name in FROM_LINES if name in line}
        running = state not in (LINE_STARTING, LINE_DONE, LINE_CANCELLED, LINE_FAILED)
        if running and self._progress.state == STARTING:
            changes["state"] = RUNNING
        self._progress = replace(self._progress, **changes, phase=str(state) if running else "")

    def _end(self, ending: Ending) -> None:
        """A complete bundle counts as done even if the process crashed afterwards."""
        last_state = ending.last.get("state")
        changes: Dict[str, Any] = {"state": FAILED, "error": ending.reason, "log": "\n".join(ending.errors)}
        if last_state == LINE_DONE:
            changes = {"state": DONE, "output": str(ending.last["output"])}
        elif last_state == LINE_CANCELLED or (self._progress.state == CANCELLING and last_state != LINE_FAILED):
            error = f"killed because it did not end within {self._grace_sec:g} s" if self._killed else ""
            changes = {"state": CANCELLED, "error": error}
        seconds = self._clock() - self._began
        self._progress = replace(self._progress, **changes, phase="", eta_sec=None, pid=None, elapsed_sec=seconds)
        self._process = None
