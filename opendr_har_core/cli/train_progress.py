"""What `opendr-har train` says while it runs: text for people, or lines of JSON for other programs."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, TextIO

from opendr_har_core.errors import HarError

if TYPE_CHECKING:
    from opendr_har_core.datasets.base import DataReport
    from opendr_har_core.training.callbacks import Update
    from opendr_har_core.training.fit import FitReport

EPOCH_END = "epoch_end"  # as in training.callbacks, which needs PyTorch
TEXT, JSON = "text", "json"
FORMS = (TEXT, JSON)
STARTING, EXPORTING, DONE, CANCELLED, FAILED = "starting", "exporting", "done", "cancelled", "failed"


class TextProgress:
    """Paragraphs on standard output, and a line for each epoch when it ends; on a terminal there is a bar as well.

    The last line is the result, which the command prints. With --json all but that goes to standard error.
    """

    def __init__(self, quiet: bool = False, to_errors: bool = False) -> None:
        self._quiet = quiet
        self._to_errors = to_errors

    def listener(self, update: Update) -> None:
        """Take an Update of training."""
        if update.state != EPOCH_END:
            return
        numbers = {
            "train_loss": update.loss,
            "train_accuracy": update.accuracy,
            "val_loss": update.val_loss,
            "val_accuracy": update.val_accuracy,
        }
        parts = [f"{name} {value:.3f}" for name, value in numbers.items() if value is not None]
        self._say(f"epoch {update.epoch}, step {update.step}: {', '.join(parts)}")

    def begins(self, run: Dict[str, Any]) -> None:
        """The data comes first here."""

    def found(self, train: DataReport, val: Optional[DataReport], run: Dict[str, Any]) -> None:
        """What data there is, and what is run."""
        self._say(f"training: {train}")
        if val is not None:
            self._say(f"validation: {val}")
        self._say(json.dumps({"run": run}, indent=1))

    def trained(self, report: FitReport) -> None:
        """The epochs have been said."""

    def wrote(self, path: Path, description: str, report: FitReport) -> None:
        """The command says it."""

    def _say(self, text: str) -> None:
        if self._quiet:
            return
        stream = sys.stderr if self._to_errors else sys.stdout
        stream.write(text + "\n")
        stream.flush()


class JsonProgress:
    """One object a line, each with a `state`; see docs/training.md.

    A reader that has gone takes nothing with it: the run goes on unheard.
    """

    def __init__(self, stream: Optional[TextIO]) -> None:
        self._stream = stream
        self.ended = False

    def listener(self, update: Update) -> None:
        """Take an Update of training."""
        self._write(asdict(update))

    def begins(self, run: Dict[str, Any]) -> None:
        """The first line: what is run."""
        self._write({"state": STARTING, "run": run})

    def found(self, train: DataReport, val: Optional[DataReport], run: Dict[str, Any]) -> None:
        """What data there is."""
        self._write({"state": STARTING, "training": str(train), "validation": None if val is None else str(val)})

    def trained(self, report: FitReport) -> None:
        """A run that was cancelled ends here; another still has its bundle to write."""
        if report.cancelled:
            self.end(CANCELLED, report, checkpoints=list(report.checkpoints))
        else:
            self._write({"state": EXPORTING})

    def wrote(self, path: Path, description: str, report: FitReport) -> None:
        """The last line of a run that went well."""
        self.end(DONE, report, output=str(path.resolve()), description=description)

    def end(self, state: str, report: Optional[FitReport] = None, **values: Any) -> None:
        """The last line."""
        counts: Dict[str, Any] = {}
        if report is not None:
            counts = {"step": report.steps, "best_accuracy": report.best_accuracy, "best_loss": report.best_loss}
        self._write({"state": state, "cancelled": state == CANCELLED, "output": None, **counts, **values})
        self.ended = True

    def _write(self, line: Dict[str, Any]) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(_finite(line)) + "\n")
            self._stream.flush()
        except OSError:
            self._stream = None


@contextlib.contextmanager
def json_progress() -> Iterator[JsonProgress]:
    """Standard output for the lines alone: what others print goes to standard error meanwhile.

    However the run ends, there is a last line that says so; SIGTERM ends it as Ctrl+C does. Of several processes that
    train together the first one speaks.
    """
    is_first = all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK"))
    progress = JsonProgress(sys.stdout if is_first else None)
    try:
        with contextlib.redirect_stdout(sys.stderr), _sigterm_interrupts():
            yield progress
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the one into the other
        if not progress.ended:
            progress.end(CANCELLED)
        raise
    except Exception as error:
        if not progress.ended:
            progress.end(FAILED, error=str(error) if isinstance(error, HarError) else repr(error))
        raise


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _finite(value: Any) -> Any:
    """JSON has no word for what is not a number."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
