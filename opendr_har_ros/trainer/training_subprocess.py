"""A training run in a subprocess: start, progress lines, cancellation, and the reason for its end."""

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

from opendr_har_ros.common.log import sanitize_utf8

MODULE = "opendr_har_ros.trainer.training_main"
KEPT_LINES = 20
# The pipes close with the process, unless a subprocess of it keeps them open.
PIPES_SEC = 5.0
OUT_OF_MEMORY = "; if you did not kill it, the machine ran out of memory: try a smaller batch_size or num_workers"

Line = Dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """How the process ended.

    Attributes:
        exit_code: as in `subprocess`: a negative value is the number of the signal that ended it.
        last: its last progress line; empty if it printed none.
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
        details = f": {self.errors[-1].strip()}" if self.errors else ""
        if self.exit_code >= 0:
            return f"training ended with exit code {self.exit_code}{details}"
        name = _signal_name(-self.exit_code)
        return f"training was ended by {name}{OUT_OF_MEMORY if name == 'SIGKILL' else details}"


class TrainingSubprocess:
    """Runs `opendr-har train ARGUMENTS --json`; no method but `wait` blocks.

    The process has a session of its own, so that Ctrl+C in the node's terminal does not reach it. It ends with the
    thread that creates this object, so create it in a thread that outlives the training.
    """

    def __init__(self, arguments: Sequence[str], nice: int = 0, threads: Optional[int] = None) -> None:
        """`threads` limits PyTorch's CPU threads, None: all. Raises OSError if the process can't be started."""
        command = [sys.executable, "-m", MODULE, str(os.getpid()), str(nice), "train", *arguments, "--json"]
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
        except RuntimeError as error:  # the system's limit of threads
            self.kill()
            self._process.wait()
            raise OSError(str(error)) from None

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def ending(self) -> Optional[Ending]:
        """How the process ended; None while it runs. All its lines have been read by then."""
        return self._ending

    def lines(self) -> List[Line]:
        """The progress lines since the last call."""
        lines: List[Line] = []
        with contextlib.suppress(queue.Empty):
            while True:
                lines.append(self._lines.get_nowait())
        return lines

    def cancel(self) -> None:
        """Ask the process to end after the current update, with a checkpoint; a second call: at once, without one."""
        self._signal(os.kill, signal.SIGTERM)

    def kill(self) -> None:
        """End the process and its data loaders without a checkpoint."""
        self._signal(os.killpg, signal.SIGKILL)

    def wait(self, seconds: float) -> Optional[Ending]:
        """Wait for the end; returns None if the process still runs after `seconds`."""
        self._waiter.join(seconds)
        return self._ending

    def _signal(self, send: Any, number: int) -> None:
        """Signal the process unless it was reaped, since another process may have its id by then."""
        with self._lock:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    send(self._process.pid, number)

    def _wait(self) -> None:
        """Runs in a thread."""
        if hasattr(os, "waitid"):  # wait without reaping, so that the id stays valid while data loaders are killed
            try:
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
                self.kill()
            except ChildProcessError:  # SIGCHLD is ignored, so the kernel has reaped it
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
                line = {key: sanitize_utf8(value) if isinstance(value, str) else value for key, value in line.items()}
                self._last = line
                self._lines.put(line)
            else:  # output of a native library
                self._errors.append(text)

    def _read_errors(self) -> None:
        """Runs in a thread."""
        for text in self._text(self._process.stderr):
            self._errors.append(text)

    @staticmethod
    def _text(pipe: Any) -> Any:
        """Non-empty lines until the pipe closes."""
        with pipe:
            for line in pipe:
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    yield text

    @staticmethod
    def _thread(run: Any) -> threading.Thread:
        thread = threading.Thread(target=run, name="training subprocess", daemon=True)
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
