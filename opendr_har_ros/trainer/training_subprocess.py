"""A training run in a process of its own: started, listened to, cancelled, and its end explained. No ROS here."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, List, Optional, Sequence

from opendr_har_ros.common.text import sendable

MODULE = "opendr_har_ros.trainer.training_main"
KEPT_LINES = 20
# The pipes of a process that has ended are empty at once, unless somebody else holds them.
PIPES_SEC = 5.0
OUT_OF_MEMORY = "; if nobody killed it, the machine ran out of memory: try a smaller batch_size or num_workers"

Line = Dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """How the process ended.

    Attributes:
        exit_code: as of subprocess: a negative one is the number of the signal that ended it.
        last: its last line of progress; empty if it said nothing.
        errors: the last lines of its standard error.
    """

    exit_code: int
    last: Line
    errors: Sequence[str]

    @property
    def reason(self) -> str:
        """Why it failed, in one line."""
        if self.last.get("error"):
            return str(self.last["error"])
        said = f": {self.errors[-1].strip()}" if self.errors else ""
        if self.exit_code >= 0:
            return f"training ended with exit code {self.exit_code}{said}"
        name = _signal_name(-self.exit_code)
        return f"training was ended by {name}{OUT_OF_MEMORY if name == 'SIGKILL' else said}"


class TrainingChild:
    """`opendr-har train --progress json` with the given arguments; all methods return at once but `wait`.

    The process is in a session of its own, so that a Ctrl+C at the node's terminal does not reach it, and ends with
    the thread that made this object: make it in one that lives as long as it may train.
    """

    def __init__(self, arguments: Sequence[str], nice: int = 0, threads: Optional[int] = None) -> None:
        """`threads` of the CPU that PyTorch uses, None for all. Raises OSError when no process can be started."""
        command = [sys.executable, "-m", MODULE, str(os.getpid()), str(nice), "train", *arguments, "--progress", "json"]
        self._process = subprocess.Popen(
            command,
            env=_environment(threads),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._lines: queue.Queue[Line] = queue.Queue()
        self._last: Line = {}
        self._errors: Deque[str] = deque(maxlen=KEPT_LINES)
        self._lock = threading.Lock()
        self._reaped = False
        self._ending: Optional[Ending] = None
        try:
            self._readers = [self._thread(self._read_lines), self._thread(self._read_errors)]
            self._waiter = self._thread(self._wait)
        except RuntimeError as error:  # no more threads; nobody would look after it
            self.kill()
            self._process.wait()
            raise OSError(str(error)) from None

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    @property
    def ending(self) -> Optional[Ending]:
        """How it ended; None while it runs. All its lines are there by then."""
        return self._ending

    def lines(self) -> List[Line]:
        """What it has told since the last call."""
        told: List[Line] = []
        with contextlib.suppress(queue.Empty):
            while True:
                told.append(self._lines.get_nowait())
        return told

    def cancel(self) -> None:
        """Ask it to end after the update under way, with a checkpoint; a second time: to end at once."""
        self._signal(os.kill, signal.SIGTERM)

    def kill(self) -> None:
        """End it, and the processes that read data for it, without a checkpoint."""
        self._signal(os.killpg, signal.SIGKILL)

    def wait(self, seconds: float) -> Optional[Ending]:
        """How it ended, or None if it has not within that time."""
        self._waiter.join(seconds)
        return self._ending

    def _signal(self, send: Any, number: int) -> None:
        """Until it is reaped its number belongs to nobody else."""
        with self._lock:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    send(self._process.pid, number)

    def _wait(self) -> None:
        """Runs in a thread."""
        if hasattr(os, "waitid"):  # what was killed has not ended its own processes, and still holds its number
            try:
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
                self.kill()
            except ChildProcessError:  # this process was started so that its children are reaped for it
                self._reaped = True
        else:
            self._process.wait()
        with self._lock:
            code = self._process.wait()
            self._reaped = True
        for reader in self._readers:
            reader.join(PIPES_SEC)
        self._ending = Ending(code, dict(self._last), tuple(self._errors))

    def _read_lines(self) -> None:
        """Runs in a thread."""
        for text in self._text(self._process.stdout):
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict):
                line = {name: sendable(value) if isinstance(value, str) else value for name, value in line.items()}
                self._last = line
                self._lines.put(line)
            else:  # a library that writes past Python
                self._errors.append(text)

    def _read_errors(self) -> None:
        """Runs in a thread."""
        for text in self._text(self._process.stderr):
            self._errors.append(text)

    @staticmethod
    def _text(pipe: Any) -> Any:
        """Lines that hold something, until the pipe ends."""
        with pipe:
            for line in pipe:
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    yield text

    @staticmethod
    def _thread(run: Any) -> threading.Thread:
        thread = threading.Thread(target=run, name="training child", daemon=True)
        thread.start()
        return thread


def _environment(threads: Optional[int]) -> Dict[str, str]:
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    if threads:
        environment.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    return environment


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
