"""A job's progress as a diagnostic_msgs/DiagnosticStatus."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Dict

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from opendr_har_ros.trainer.job import CANCELLED, CANCELLING, DONE, FAILED, IDLE, RUNNING, STARTING, JobProgress

LEVELS = {FAILED: DiagnosticStatus.ERROR, CANCELLED: DiagnosticStatus.WARN}


def progress_message(node_name: str, progress: JobProgress) -> DiagnosticStatus:
    """`message` is a sentence for people, `values` hold every field of JobProgress as a word."""
    return DiagnosticStatus(
        level=LEVELS.get(progress.state, DiagnosticStatus.OK),
        name=f"{node_name}: training",
        message=summary(progress),
        hardware_id=node_name,
        values=[KeyValue(key=key, value=value) for key, value in _values(progress).items()],
    )


def summary(progress: JobProgress) -> str:
    """One line for people."""
    sentences = {
        IDLE: "no job yet; set the parameters, then call ~/start",
        STARTING: "starting",
        CANCELLING: "cancelling; the update under way is finished first",
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
    advice = f"to go on from {checkpoint} set resume and start" if _is_there(checkpoint) else "there is no checkpoint"
    how = f"cancelled ({progress.error})" if progress.error else "cancelled"
    return f"{how} after step {progress.step or 0}; {advice}"


def _is_there(path: Path) -> bool:
    """Whether there is such a file; no where nobody can tell, since a disk may be gone."""
    try:
        return path.is_file()
    except OSError:
        return False


def _values(progress: JobProgress) -> Dict[str, str]:
    """In a fixed order; empty where it is not known."""
    return {field.name: _word(getattr(progress, field.name)) for field in fields(progress)}


def _word(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
