"""Worker processes as their parent sees them: requests, memory, and the load that others put on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Any, Dict, Optional, Type, cast

import psutil
from participants import PARTICIPANTS

from opendr_har_core.benchmarking.machine import ProcessMemory, process_memory

WORKER = Path(__file__).with_name("worker.py")
END_SEC = 10
LOG_TAIL = 2000
# Share of all cores that others may use in a quiet turn.
QUIET = 0.1
LOOK_SEC = 0.3


class PeerError(Exception):
    """A worker died; the message contains the end of its log."""


class Worker:
    """A participant in its own process; leave the `with` block to end it."""

    def __init__(self, name: str, peers_python: Path, folder: Path) -> None:
        """Peers run with `peers_python`, without our library and module paths; logs go to `folder`."""
        self.name = name
        self._log = folder / f"{name}.log"
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
        if name in PARTICIPANTS:
            environment = {k: v for k, v in environment.items() if k not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
        python = peers_python if name in PARTICIPANTS else Path(sys.executable)
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(python), str(WORKER), name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        self._requests = cast(IO[str], self._process.stdin)
        self._replies = cast(IO[str], self._process.stdout)

    @property
    def memory(self) -> ProcessMemory:
        """Resident memory of the process."""
        return cast(ProcessMemory, process_memory(self._process.pid))

    def ask(self, **request: Any) -> Dict[str, Any]:
        """Send a request and wait for the reply, to which `others` is added: the share of all cores used by others.

        Raises PeerError where the process died.
        """
        begin, busy, own = monotonic(), _busy_sec(), self._cpu_sec()
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
            line = self._replies.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            tail = self._log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
            raise PeerError(f"{self.name} ended at {request}; the end of its log:\n{tail}")
        others = _busy_sec() - busy - (self._cpu_sec() - own)
        available = (monotonic() - begin) * (psutil.cpu_count() or 1)
        return {**json.loads(line), "others": max(0.0, others) / max(available, 1e-3)}

    def _cpu_sec(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            self._requests.close()
            self._process.wait(END_SEC)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


def wait_until_quiet(patience_sec: float) -> None:
    """Wait until others use less than QUIET of the machine, at most `patience_sec`.

    Torch's operators end with their slowest thread, so other load slows the peers down more than ours.
    """
    end = monotonic() + patience_sec
    while monotonic() < end and psutil.cpu_percent(LOOK_SEC) >= 100 * QUIET:
        pass


def _busy_sec() -> float:
    """Busy seconds of all cores together since boot, including time that a hypervisor took."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)
