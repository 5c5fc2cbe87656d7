"""A training run in a subprocess: start, progress, cancellation, and how it ended. Independent of ROS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, List, Optional, Sequence

from opendr_har_ros.common.log import sanitize_utf8

MODULE = "opendr_har_ros.trainer.training_main"
STARTING, CANCELLING, DONE, CANCELLED, FAILED = "starting", "cancelling", "done", "cancelled", "failed"
OVER = (DONE, CANCELLED, FAILED)
KEPT_LINES = 20
LONGEST_LINE = 1 << 16
OUT_OF_MEMORY = "; if you did not kill it, the machine ran out of memory: try a smaller batch_size or num_workers"


class TrainingProcess:
    """Runs `opendr-har train ARGUMENTS --json`. No method blocks; `poll` it. Not thread-safe.

    The process has a session of its own, so that Ctrl-C in the node's terminal does not reach it. It ends with the
    thread that creates this object.

    Attributes:
        status: the entries of all progress lines so far (see docs/training.md), the latest value of each, and "pid".
            "state" is also "cancelling"; at the end it is "done", "cancelled" or "failed". "error" says why it failed
            or was killed, and "log" has the last lines of its standard error if it failed.
    """

    def __init__(
        self, arguments: Sequence[str], nice: int = 0, threads: Optional[int] = None, grace_sec: float = 60.0
    ) -> None:
        """Start it, with a number of CPU `threads` or one per core; raises OSError if that is not possible.

        `grace_sec` is the time after which a cancelled process is killed.
        """
        command = [sys.executable, "-m", MODULE, str(os.getpid()), str(nice), "train", *arguments, "--json"]
        environment = dict(os.environ, PYTHONUNBUFFERED="1")
        if threads:
            environment.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._lines, self._errors = _Lines(self._process.stdout), _Lines(self._process.stderr)
        self._log: Deque[str] = deque(maxlen=KEPT_LINES)
        self._grace_sec, self._cancelled_at = grace_sec, 0.0
        self._killed = False
        self.status: Dict[str, Any] = {"state": STARTING, "pid": self._process.pid}

    @property
    def is_over(self) -> bool:
        """Whether the process has ended, as of the last `poll`."""
        return self.status["pid"] is None

    def poll(self) -> bool:
        """Update `status`; returns whether it changed."""
        if self.is_over:
            return False
        code = self._process.poll()  # first, so that its output is complete below
        if code is not None:
            self._signal_group()  # data loaders of a process that was killed
        self._log.extend(self._errors.read())
        changed = [self._take(line) for line in self._lines.read()]
        if code is not None:
            self._end(code)
        elif self._cancelled_at and not self._killed and time.monotonic() - self._cancelled_at > self._grace_sec:
            self._killed = True
            self._signal_group()
        return any(changed) or self.is_over

    def cancel(self) -> None:
        """Ask the process to end after the current update, with a checkpoint."""
        if not self.is_over and not self._cancelled_at:
            self._cancelled_at = time.monotonic()
            self.status["state"] = CANCELLING
            self._process.send_signal(signal.SIGTERM)

    def _signal_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _take(self, text: str) -> bool:
        """Merge a progress line into the status; other output is that of a native library."""
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict) or "state" not in line:
            self._log.append(text)
            return False
        line = {key: sanitize_utf8(value) if isinstance(value, str) else value for key, value in line.items()}
        if self._cancelled_at and line["state"] not in OVER:
            line["state"] = CANCELLING
        self.status.update(line)
        return True

    def _end(self, code: int) -> None:
        """A complete bundle counts as done even if the process crashed afterwards."""
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self.status.update(pid=None, eta_sec=None)
        if self.status["state"] == DONE:
            self.status["output"] = str(Path(self.status["output"]).absolute())
        if self.status["state"] == CANCELLING:
            self.status["state"] = CANCELLED
            if self._killed:
                self.status["error"] = f"killed because it did not end within {self._grace_sec:g} s"
        elif self.status["state"] not in (DONE, CANCELLED):
            log = "\n".join(self._log)
            self.status.update(state=FAILED, error=self.status.get("error") or self._reason(code), log=log)

    def _reason(self, code: int) -> str:
        """Why it failed, in one line; `code` is negative for a signal, as in `subprocess`."""
        details = f": {self._log[-1]}" if self._log else ""
        if code >= 0:
            return f"training ended with exit code {code}{details}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"training was ended by {name}{OUT_OF_MEMORY if name == 'SIGKILL' else details}"


class _Lines:
    """Complete, non-empty lines of a pipe, without blocking."""

    def __init__(self, pipe: Any) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._pipe, self._rest = pipe, b""

    def read(self) -> List[str]:
        """The lines since the last call; at most what the pipe holds, which is everything once the process ended."""
        content = self._rest + (self._pipe.read(1 << 20) or b"")
        end = max(content.rfind(b"\n"), content.rfind(b"\r")) + 1  # progress bars end their lines with \r
        self._rest = content[end:][-LONGEST_LINE:]
        texts = content[:end].decode("utf-8", "replace").splitlines()
        return [sanitize_utf8(text) for text in map(str.strip, texts) if text]
