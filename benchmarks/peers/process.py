"""The parent's side of a worker process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Dict, Optional, Type, cast

WORKER = Path(__file__).with_name("worker.py")
PATIENCE_SEC = 10
LOG_TAIL = 2000


class PeerError(Exception):
    """A worker died; the message holds the end of what it had to say."""


class Worker:
    """A participant in its own process; leave the `with` block to end it."""

    def __init__(self, name: str, python: Path, log: Path, *, foreign: bool) -> None:
        """`foreign`: its virtual environment is not ours, so our library and module paths are kept from it."""
        self.name = name
        self._log = log
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
        if foreign:
            environment = {k: v for k, v in environment.items() if k not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
        with log.open("wb") as errors:
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

    def ask(self, **request: Any) -> Dict[str, Any]:
        """Send one request and wait for its reply; raises PeerError when the process died over it."""
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
            line = self._replies.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            tail = self._log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
            raise PeerError(f"{self.name} ended over {request}; its last words:\n{tail}")
        reply: Dict[str, Any] = json.loads(line)
        return reply

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            self._requests.close()
            self._process.wait(PATIENCE_SEC)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
