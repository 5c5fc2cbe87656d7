"""Progress on a terminal: with rich where it is installed, else a plain line; both on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any, Callable, Iterator, Optional

# (done, of how many or None where nobody knows)
Report = Callable[[int, Optional[int]], None]

# Often enough to see it move, seldom enough to cost nothing.
INTERVAL_SEC = 0.1
BAR = 24
CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def silent() -> Iterator[Report]:
    """For those who don't look."""
    yield lambda done, total: None


@contextlib.contextmanager
def progress(what: str, unit: str = "", scale: float = 1.0) -> Iterator[Report]:
    """A bar called `what` that counts in `unit`s of `scale`; it is gone afterwards, however that comes."""
    bar = _rich_bar(what, unit, scale) or _plain_bar(what, unit, scale)
    with bar as report:
        yield _seldom(report)


def _seldom(report: Report) -> Report:
    latest = -INTERVAL_SEC

    def tell(done: int, total: Optional[int]) -> None:
        nonlocal latest
        now = time.monotonic()
        if now - latest >= INTERVAL_SEC or done == total:
            latest = now
            report(done, total)

    return tell


@contextlib.contextmanager
def _plain_bar(what: str, unit: str, scale: float) -> Iterator[Report]:
    def report(done: int, total: Optional[int]) -> None:
        whole = f"/{_number(total / scale)}" if total else ""
        filled = "#" * round(BAR * min(1.0, done / total)) if total else ""
        bar = f"[{filled:<{BAR}}] " if total else ""
        sys.stderr.write(f"{CLEAR}{what} {bar}{_number(done / scale)}{whole} {unit}".rstrip())
        sys.stderr.flush()

    try:
        yield report
    finally:
        sys.stderr.write(CLEAR)
        sys.stderr.flush()


def _rich_bar(what: str, unit: str, scale: float) -> Any:
    """A context like `_plain_bar`, or None where rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    count = TextColumn("{task.fields[count]}")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), count, TimeRemainingColumn())
    return _shown(Progress(*columns, console=Console(stderr=True), transient=True), what, unit, scale)


@contextlib.contextmanager
def _shown(display: Any, what: str, unit: str, scale: float) -> Iterator[Report]:
    with display:
        task = display.add_task(what, total=None, count="")

        def report(done: int, total: Optional[int]) -> None:
            whole = f"/{_number(total / scale)}" if total else ""
            count = f"{_number(done / scale)}{whole} {unit}"
            display.update(task, completed=done, total=total, count=count)

        yield report


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
