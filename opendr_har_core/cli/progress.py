"""Progress of a long command on standard error: a rich bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Callable, Iterator, Optional, Protocol

# How often a log file, or a terminal without rich, gets a line.
LINE_INTERVAL_SEC = 10.0


class Report(Protocol):
    """Called with the units done, their total if known, and optional detail such as the current loss."""

    def __call__(self, done: int, total: Optional[int], detail: str = "") -> None: ...


def ignore(done: int, total: Optional[int], detail: str = "") -> None:
    """A `Report` that shows nothing."""


@contextlib.contextmanager
def progress(title: str, unit: str = "", scale: float = 1.0) -> Iterator[Report]:
    """Yield a `Report` that counts in `unit`s of `scale`, such as ("MB", 1e6); a bar disappears at the end."""
    columns = _rich_columns() if sys.stderr.isatty() else None
    if columns is None:
        yield _line_report(title, unit, scale)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, count="", detail="")

        def report(done: int, total: Optional[int], detail: str = "") -> None:
            bar.update(task, completed=done, total=total, count=_count(done, total, unit, scale), detail=detail)

        yield report


def _rich_columns() -> Optional[tuple]:
    """The parts of a bar; None if rich is not installed."""
    try:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    title, count, detail = (
        TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[count]", "fields[detail]")
    )
    return title, BarColumn(), count, TimeRemainingColumn(), detail


def _line_report(title: str, unit: str, scale: float, clock: Callable[[], float] = time.monotonic) -> Report:
    latest = clock()

    def report(done: int, total: Optional[int], detail: str = "") -> None:
        nonlocal latest
        if clock() - latest >= LINE_INTERVAL_SEC:
            latest = clock()
            sys.stderr.write(f"{title}: {_count(done, total, unit, scale)} {detail}".rstrip() + "\n")
            sys.stderr.flush()

    return report


def _count(done: int, total: Optional[int], unit: str, scale: float) -> str:
    numbers = [done] if total is None else [done, total]
    return f"{'/'.join(_number(number / scale) for number in numbers)} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
