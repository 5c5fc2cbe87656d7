"""Progress of `opendr-har train`: text for people, or lines of JSON for other programs."""

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
    """Options, data and a line for each epoch on standard output; on a terminal there is also a progress bar.

    The command prints the result as the last line. With --json everything else goes to standard error.
    """

    def __init__(self, quiet: bool = False, to_errors: bool = False) -> None:
        self._quiet = quiet
        self._to_errors = to_errors

    def listener(self, update: Update) -> None:
        """Report an update of training."""
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
        """Reported with the data."""

    def found(self, train: DataReport, val: Optional[DataReport], run: Dict[str, Any]) -> None:
        """Report the data, options and settings."""
        self._say(f"training: {train}")
        if val is not None:
            self._say(f"validation: {val}")
        self._say(json.dumps({"run": run}, indent=1))

    def trained(self, report: FitReport) -> None:
        """The epochs are reported already."""

    def wrote(self, path: Path, description: str, report: FitReport) -> None:
        """The command reports the result."""

    def _say(self, text: str) -> None:
        if self._quiet:
            return
        stream = sys.stderr if self._to_errors else sys.stdout
        stream.write(text + "\n")
        stream.flush()


class JsonProgress:
    """One JSON object a line, each with a `state`; see docs/training.md.

    If the reader closes the stream, the run continues without reports.
    """

    def __init__(self, stream: Optional[TextIO]) -> None:
        self._stream = stream
        self.ended = False

    def listener(self, update: Update) -> None:
        """Report an update of training."""
        self._write(asdict(update))

    def begins(self, run: Dict[str, Any]) -> None:
        """First line: options and settings."""
        self._write({"state": STARTING, "run": run})

    def found(self, train: DataReport, val: Optional[DataReport], run: Dict[str, Any]) -> None:
        """Report the data."""
        self._write({"state": STARTING, "training": str(train), "validation": None if val is None else str(val)})

    def trained(self, report: FitReport) -> None:
        """A cancelled run ends here; otherwise the bundle is written next."""
        if report.cancelled:
            self.end(CANCELLED, report, checkpoints=list(report.checkpoints))
        else:
            self._write({"state": EXPORTING})

    def wrote(self, path: Path, description: str, report: FitReport) -> None:
        """Last line of a successful run."""
        self.end(DONE, report, output=str(path.resolve()), description=description)

    def end(self, state: str, report: Optional[FitReport] = None, **values: Any) -> None:
        """Last line of any run."""
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
    """Reserve standard output for JSON lines; everything else goes to standard error.

    There is always a last line, however the run ends; SIGTERM acts like Ctrl+C. Of several processes that train
    together, the first one reports.
    """
    is_first = all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK"))
    progress = JsonProgress(sys.stdout if is_first else None)
    try:
        with contextlib.redirect_stdout(sys.stderr), _sigterm_interrupts():
            yield progress
    except (KeyboardInterrupt, SystemExit):  # Lightning raises SystemExit for KeyboardInterrupt
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
    """NaN and infinity become None, as JSON has neither."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
