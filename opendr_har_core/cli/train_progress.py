"""Progress of `opendr-har train`: text for people, or lines of JSON for other programs."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import threading
from typing import Any, Callable, Dict, Iterator, Optional, TextIO

from opendr_har_core.errors import HarError

TEXT, JSON = "text", "json"
FORMS = (TEXT, JSON)
EPOCH_END = "epoch_end"  # as in training.callbacks, which needs PyTorch
STARTING, EXPORTING, DONE, CANCELLED, FAILED = "starting", "exporting", "done", "cancelled", "failed"
Line = Dict[str, Any]
Report = Callable[[Line], None]  # of a line with a `state`; docs/training.md lists states and their entries


def text_report(quiet: bool = False, to_errors: bool = False) -> Report:
    """Report options, data and each epoch as text on standard output, or on standard error with `to_errors`."""

    def report(line: Line) -> None:
        text = _text(line)
        if text and not quiet:
            stream = sys.stderr if to_errors else sys.stdout
            stream.write(text + "\n")
            stream.flush()

    return report


def _text(line: Line) -> str:
    if "run" in line:
        return json.dumps({"run": line["run"]}, indent=1)
    if "training" in line:
        return "\n".join(f"{name}: {line[name]}" for name in ("training", "validation") if line[name] is not None)
    if line["state"] != EPOCH_END:
        return ""
    names = {"train_loss": "loss", "train_accuracy": "accuracy", "val_loss": "val_loss", "val_accuracy": "val_accuracy"}
    parts = [f"{name} {line[key]:.3f}" for name, key in names.items() if line[key] is not None]
    return f"epoch {line['epoch']}, step {line['step']}: {', '.join(parts)}"


class JsonReport:
    """Reports one JSON object a line; if the reader closes the stream, the run continues without reports."""

    def __init__(self, stream: Optional[TextIO]) -> None:
        self._stream = stream
        self.ended = False

    def __call__(self, line: Line) -> None:
        state = line["state"]
        if state in (DONE, CANCELLED, FAILED):
            line = {"state": state, "cancelled": state == CANCELLED, "output": None, **line}
            self.ended = True
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(_finite(line)) + "\n")
            self._stream.flush()
        except OSError:
            self._stream = None


@contextlib.contextmanager
def json_report() -> Iterator[JsonReport]:
    """Reserve standard output for JSON lines; everything else goes to standard error.

    There is always a last line, however the run ends; SIGTERM acts like Ctrl+C. Of several processes that train
    together, the first one reports.
    """
    is_first = all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK"))
    report = JsonReport(sys.stdout if is_first else None)
    try:
        with contextlib.redirect_stdout(sys.stderr), _sigterm_interrupts():
            yield report
    except (KeyboardInterrupt, SystemExit):  # Lightning raises SystemExit for KeyboardInterrupt
        if not report.ended:
            report({"state": CANCELLED})
        raise
    except Exception as error:
        if not report.ended:
            report({"state": FAILED, "error": str(error) if isinstance(error, HarError) else repr(error)})
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
