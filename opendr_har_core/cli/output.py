"""What a job says: text for people or JSON for programs, notes and progress beside it, and how it ended."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from dataclasses import dataclass, field
from typing import Any, ContextManager, Iterator, Mapping, TextIO

from opendr_har_core.cli.progress import Report, progress, silent

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Result:
    """What came of a job.

    Attributes:
        text: for people, with its last newline; printed without --json.
        values: for programs; printed with --json, in one object with `job`, `ok`, `exit_code` and `error`.
        exit_code: DONE, FAILED or INTERRUPTED.
        error: one line of what went wrong, or "".
    """

    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = DONE
    error: str = ""


class Output:
    """Where a job's words go: results to standard output, everything else to standard error."""

    def __init__(self, json_lines: bool = False, quiet: bool = False) -> None:
        self.json = json_lines
        self.quiet = quiet
        self._results: TextIO = sys.stdout

    def text(self, text: str) -> None:
        """Part of a result, for people."""
        if not self.json:
            self._write(text)

    def row(self, values: Mapping[str, Any]) -> None:
        """Part of a result, for programs: one object in a line of its own."""
        if self.json:
            self._write(json.dumps(finite(values)) + "\n")

    def flush(self) -> None:
        """Let whoever reads a pipe have what was said so far."""
        self._results.flush()

    def note(self, text: str) -> None:
        """Something that people may want to know; not with --quiet."""
        if not self.quiet:
            sys.stderr.write(text + "\n")

    def warn(self, text: str) -> None:
        """Something that people have to know."""
        sys.stderr.write(f"opendr-har: {text}\n")

    def progress(self, what: str, unit: str = "", scale: float = 1.0) -> ContextManager[Report]:
        """A bar on a terminal, and nothing elsewhere; see `cli.progress`."""
        if self.quiet or not sys.stderr.isatty():
            return silent()
        return progress(what, unit, scale)

    def results_on_terminal(self) -> bool:
        """Whether people watch the results come, so that a bar would be in their way."""
        return self._results.isatty()

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """With --json nothing but JSON gets to standard output, whatever libraries print meanwhile."""
        if not self.json:
            yield
            return
        with contextlib.redirect_stdout(sys.stderr):
            yield

    def end(self, job: str, result: Result) -> None:
        """The last words."""
        self.text(result.text)
        ok = result.exit_code == DONE
        self.row({"job": job, "ok": ok, "exit_code": result.exit_code, "error": result.error, **result.values})
        self._results.flush()
        if result.error:
            self.warn(result.error)

    def _write(self, text: str) -> None:
        self._results.write(text)
        if self._results.isatty() or self.json:  # a program waits for whole lines
            self._results.flush()


def finite(value: Any) -> Any:
    """The same without what JSON has no word for: numbers that are none become None, tuples lists, paths text."""
    if isinstance(value, Mapping):
        return {str(name): finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
