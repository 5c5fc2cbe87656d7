"""Output of a command: text for people or JSON for programs, notes, progress, and the exit code."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Callable, ContextManager, Iterator, Mapping, Optional, TextIO, Tuple

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
# In JSON lines, for the exit codes.
STATES = {DONE: "done", FAILED: "failed", USAGE: "failed", INTERRUPTED: "cancelled"}
# Called with the units done and their total, if known.
Report = Callable[[int, Optional[int]], None]
# How often a log file, or a terminal without rich, gets a line.
LINE_INTERVAL_SEC = 10.0


@dataclass(frozen=True)
class Result:
    """The result of a command.

    Attributes:
        text: printed without --json; includes the final newline.
        values: printed with --json, as one object together with `job`, `state`, `ok`, `exit_code` and `error`.
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

    def event(self, values: Mapping[str, Any], text: str = "") -> None:
        """Write what a long job has reached, as `row` or `text`, unless --quiet is given.

        The job continues if the reader has closed the pipe.
        """
        if not self.quiet:
            with contextlib.suppress(OSError):
                self.row(values)
                self.text(text)
                self.flush()

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
        """Show progress unless --quiet is given; see `progress`."""
        return contextlib.nullcontext(lambda done, total: None) if self.quiet else progress(title, unit, scale)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """With --json, redirect what libraries print to standard error."""
        with contextlib.redirect_stdout(sys.stderr) if self.json else contextlib.nullcontext():
            yield

    def end(self, job: str, result: Result) -> None:
        """Write the result and the error."""
        self.text(result.text)
        outcome = {"ok": result.exit_code == DONE, "exit_code": result.exit_code, "error": result.error}
        self.row({"job": job, "state": STATES[result.exit_code], **outcome, **result.values})
        self.flush()
        if result.error:
            self.warn(result.error)

    def _write(self, text: str) -> None:
        self._results.write(text)
        if self._results.isatty() or self.json:  # a program waits for whole lines
            self.flush()


@contextlib.contextmanager
def progress(title: str, unit: str = "", scale: float = 1.0) -> Iterator[Report]:
    """Yield a `Report` that counts in `unit`s of `scale`, such as ("MB", 1e6), with the rate and the time that is left.

    It shows a rich bar on a terminal, which disappears at the end, and otherwise writes lines to standard error.
    """
    columns = _rich_columns() if sys.stderr.isatty() else None
    if columns is None:
        yield _line_report(title, unit, scale)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, begun = bar.add_task(title, total=None, count=""), time.monotonic()

        def report(done: int, total: Optional[int]) -> None:
            rate, _ = _pace(done, None, scale, time.monotonic() - begun)
            bar.update(task, completed=done, total=total, count=_count(done, total, unit, scale) + rate)

        yield report


def finite(value: Any) -> Any:
    """Make a value JSON-ready: NaN and infinity become None, tuples become lists, paths become text."""
    if isinstance(value, Mapping):
        return {str(name): finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _rich_columns() -> Optional[tuple]:
    """The parts of a bar; None if rich is not installed."""
    try:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    title, count = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[count]"))
    return title, BarColumn(), count, TimeRemainingColumn()


def _line_report(title: str, unit: str, scale: float) -> Report:
    begun = latest = time.monotonic()

    def report(done: int, total: Optional[int]) -> None:
        nonlocal latest
        if time.monotonic() - latest >= LINE_INTERVAL_SEC:
            latest = time.monotonic()
            pace = "".join(_pace(done, total, scale, latest - begun))
            sys.stderr.write(f"{title}: {_count(done, total, unit, scale)}{pace}\n")
            sys.stderr.flush()

    return report


def _pace(done: int, total: Optional[int], scale: float, elapsed_sec: float) -> Tuple[str, str]:
    """(rate, time that is left at this rate), each as text that continues a count, or ""."""
    if done <= 0 or elapsed_sec <= 0:
        return "", ""
    rate = done / scale / elapsed_sec
    per, name = next(((sec, name) for sec, name in ((1, "s"), (60, "min")) if rate * sec >= 1), (3600, "h"))
    left = "" if total is None else f", {timedelta(seconds=round((total - done) / done * elapsed_sec))} left"
    return f", {rate * per:.3g}/{name}", left


def _count(done: int, total: Optional[int], unit: str, scale: float) -> str:
    numbers = [number / scale for number in (done, total) if number is not None]
    return f"{'/'.join(f'{n:.0f}' if n.is_integer() else f'{n:.1f}' for n in numbers)} {unit}".rstrip()
