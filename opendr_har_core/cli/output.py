"""Output of a command: text for people or JSON for programs, notes, progress, and the exit code."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from dataclasses import dataclass, field
from typing import Any, ContextManager, Iterator, Mapping, TextIO

from opendr_har_core.cli.progress import Report, ignore, progress

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Result:
    """The result of a command.

    Attributes:
        text: printed without --json; includes the final newline.
        values: printed with --json, as one object together with `job`, `ok`, `exit_code` and `error`.
        exit_code: DONE, FAILED, USAGE or INTERRUPTED.
        error: one line that says what went wrong, or "".
    """

    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = DONE
    error: str = ""


class Output:
    """Writes results to standard output and everything else to standard error."""

    def __init__(self, json_lines: bool = False, quiet: bool = False) -> None:
        self.json = json_lines
        self.quiet = quiet
        self._results: TextIO = sys.stdout

    def text(self, text: str) -> None:
        """Write part of a result unless --json is given."""
        if not self.json:
            self._write(text)

    def row(self, values: Mapping[str, Any]) -> None:
        """Write part of a result as one line of JSON if --json is given."""
        if self.json:
            self._write(json.dumps(finite(values)) + "\n")

    def flush(self) -> None:
        """Flush the results, for readers of a pipe."""
        self._results.flush()

    def note(self, text: str) -> None:
        """Write information to standard error unless --quiet is given."""
        if not self.quiet:
            sys.stderr.write(text + "\n")

    def warn(self, text: str) -> None:
        """Write a warning to standard error, also with --quiet."""
        sys.stderr.write(f"opendr-har: {text}\n")

    def progress(self, title: str, unit: str = "", scale: float = 1.0) -> ContextManager[Report]:
        """Show progress unless --quiet is given; see `cli.progress`."""
        return contextlib.nullcontext(ignore) if self.quiet else progress(title, unit, scale)

    def results_on_terminal(self) -> bool:
        """Whether results go to a terminal line by line, where a progress bar would disturb them."""
        return self._results.isatty()

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """With --json, redirect what libraries print to standard error."""
        if not self.json:
            yield
            return
        with contextlib.redirect_stdout(sys.stderr):
            yield

    def end(self, job: str, result: Result) -> None:
        """Write the result and the error."""
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
    """Make a value JSON-ready: NaN and infinity become None, tuples become lists, paths become text."""
    if isinstance(value, Mapping):
        return {str(name): finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
