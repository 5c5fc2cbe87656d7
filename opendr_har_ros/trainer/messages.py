"""The status of a training process as feedback, result and progress messages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Dict

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.duration import Duration

from opendr_har_core.errors import ConfigError
from opendr_har_ros.trainer.training_process import CANCELLED, CANCELLING, DONE, FAILED

try:
    from opendr_har_msgs.action import TrainModel
except ImportError as error:
    raise ConfigError(f"opendr_har_msgs can't be imported ({error}); build interfaces/opendr_har_msgs") from None

Status = Dict[str, Any]
IDLE: Status = {"state": "idle"}
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "best_loss", "best_accuracy")
KEYS = ("state", "epoch", "epochs", "step", "steps", *METRICS, "eta_sec", "output", "pid", "error", "log")
LEVELS = {FAILED: DiagnosticStatus.ERROR, CANCELLED: DiagnosticStatus.WARN}


def feedback(status: Status) -> TrainModel.Feedback:
    """Unknown counts and times are zero, unknown numbers NaN."""
    counts = {name: status.get(name) or 0 for name in ("epoch", "epochs", "step", "steps")}
    means = {name: math.nan if status.get(name) is None else float(status[name]) for name in ("loss", "accuracy")}
    remaining = Duration(seconds=status.get("eta_sec") or 0.0).to_msg()
    return TrainModel.Feedback(state=status["state"], remaining=remaining, **counts, **means)


def result(status: Status) -> TrainModel.Result:
    """The result at the end of a run; `bundle` is empty unless it is done."""
    metrics = {name: float(status[name]) for name in METRICS if status.get(name) is not None}
    return TrainModel.Result(
        bundle=status["output"] if status["state"] == DONE else "",
        message=summary(status),
        metric_names=list(metrics),
        metric_values=list(metrics.values()),
    )


def progress(node_name: str, status: Status) -> DiagnosticStatus:
    """A status whose `message` is a summary; unknown values are empty."""
    return DiagnosticStatus(
        level=LEVELS.get(status["state"], DiagnosticStatus.OK),
        name=f"{node_name}: training",
        message=summary(status),
        hardware_id=node_name,
        values=[KeyValue(key=key, value=_text(status.get(key))) for key in KEYS],
    )


def summary(status: Status) -> str:
    """The status in one line."""
    state, step = status["state"], status.get("step") or 0
    if state == DONE:
        return f"done; load it with: ros2 param set /recognizer model {status['output']}"
    if state == FAILED:
        return str(status["error"])
    if state == CANCELLING:
        return "cancelling after the current update"
    if state == CANCELLED:
        how = f" ({status['error']})" if status.get("error") else ""
        written = status.get("checkpoints")
        advice = f"to continue, set resume=true; checkpoint: {Path(written[-1])}" if written else "no checkpoint"
        return f"cancelled after step {step}{how}; {advice}"
    if "epoch" not in status or state == "exporting":
        return str(state)
    means = [f"{name.replace('_', ' ')} {status[name]:.3f}" for name in METRICS[:4] if status.get(name) is not None]
    left = [f"about {status['eta_sec']:.0f} s left"] if status.get("eta_sec") is not None else []
    counts = f"{state}: epoch {status['epoch']} of {status['epochs']}, step {step} of {status['steps']}"
    return ", ".join([counts, *means, *left])


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
