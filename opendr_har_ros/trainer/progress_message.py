"""A job's progress as a diagnostic_msgs/DiagnosticStatus."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from opendr_har_ros.trainer.job import CANCELLED, CANCELLING, DONE, FAILED, IDLE, RUNNING, STARTING, JobProgress

LEVELS = {FAILED: DiagnosticStatus.ERROR, CANCELLED: DiagnosticStatus.WARN}


def progress_message(node_name: str, progress: JobProgress) -> DiagnosticStatus:
    """A status whose `message` is a summary, and whose `values` hold all fields of JobProgress as strings."""
    return DiagnosticStatus(
        level=LEVELS.get(progress.state, DiagnosticStatus.OK),
        name=f"{node_name}: training",
        message=summary(progress),
        hardware_id=node_name,
        values=[KeyValue(key=field.name, value=_text(getattr(progress, field.name))) for field in fields(progress)],
    )


def summary(progress: JobProgress) -> str:
    """The progress in one line."""
    sentences = {
        IDLE: "no job yet; set the parameters, then call ~/start",
        STARTING: "starting",
        CANCELLING: "cancelling after the current update",
        DONE: f"done; load it with: ros2 param set /recognizer model {progress.output}",
        FAILED: progress.error,
    }
    if progress.state == RUNNING:
        return _running(progress)
    if progress.state == CANCELLED:
        return _cancelled(progress)
    return sentences[progress.state]


def _running(progress: JobProgress) -> str:
    if progress.phase == "exporting":
        return "writing the bundle"
    parts = [f"epoch {progress.epoch} of {progress.epochs}, step {progress.step} of {progress.steps}"]
    parts += [
        f"{name.replace('_', ' ')} {value:.3f}"
        for name in ("loss", "accuracy", "val_accuracy")
        for value in [getattr(progress, name)]
        if value is not None
    ]
    if progress.eta_sec is not None:
        parts.append(f"about {progress.eta_sec:.0f} s left")
    return ", ".join([*(["validating"] if progress.phase == "validating" else []), *parts])


def _cancelled(progress: JobProgress) -> str:
    checkpoint = Path(progress.checkpoint_folder) / "last.ckpt"
    advice = f"to continue from {checkpoint}, set resume and start" if _exists(checkpoint) else "there is no checkpoint"
    how = f"cancelled ({progress.error})" if progress.error else "cancelled"
    return f"{how} after step {progress.step or 0}; {advice}"


def _exists(path: Path) -> bool:
    """Whether the file exists; False if its disk can't be read."""
    try:
        return path.is_file()
    except OSError:
        return False


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
