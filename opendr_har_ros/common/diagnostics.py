"""A camera's statistics as a diagnostic_msgs/DiagnosticStatus, with advice on what to fix."""

from __future__ import annotations

from typing import Dict, Tuple

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from opendr_har_ros.common.log import sanitize_utf8
from opendr_har_ros.common.statistics import Report

INACTIVE, RUNNING, IDLE = "not active", "running", "idle: the labels have no subscriber"
DISABLED = "disabled: call ~/enable"
# Single bad images are tolerated; this many in a row are an error.
MANY_IN_A_ROW = 10
# Two cameras on one topic interleave and never produce this many in a row.
OUT_OF_ORDER_IN_A_ROW = 30
LOSS_ADVICE = (
    "images are being lost: give the publisher more shared memory (FASTDDS_DEFAULT_PROFILES_FILE, on Humble and Jazzy "
    "FASTRTPS_DEFAULT_PROFILES_FILE, =share/opendr_har_ros/config/fastdds_large_images.xml in its environment), or let "
    "it publish reliably"
)


def diagnostic_status(
    node: str, camera: str, report: Report, model: Dict[str, str], phase: str, advice: str = "", fault: str = ""
) -> DiagnosticStatus:
    """The status of one camera of `node`.

    `model` holds further values such as the model's name, `advice` what to do about the camera's publishers, `fault`
    why the node failed to activate.
    """
    level, summary = (DiagnosticStatus.ERROR, fault) if fault else _verdict(report, phase, advice)
    values = {**model, **_values(report)}
    return DiagnosticStatus(
        level=level,
        name=f"{node}: activity recognition" + (f" of {camera}" if camera else ""),
        message=sanitize_utf8(summary),
        hardware_id=camera or node,
        values=[KeyValue(key=key, value=sanitize_utf8(value)) for key, value in values.items()],
    )


def _verdict(report: Report, phase: str, advice: str) -> Tuple[bytes, str]:
    if phase == INACTIVE:
        return DiagnosticStatus.OK, "not active"
    fault = _fault(report)
    if fault and phase == RUNNING:  # otherwise no image is read, so the fault may be outdated
        return DiagnosticStatus.ERROR, fault
    advice = advice or _advice(report)
    if advice:
        return DiagnosticStatus.WARN, advice
    return DiagnosticStatus.OK, phase


def _fault(report: Report) -> str:
    if report.unreadable and report.sampled == 0:
        return f"no image could be read: {report.last_error}"
    if report.failing >= MANY_IN_A_ROW:
        return f"the last {report.failing} images could not be used: {report.last_error}"
    return ""


def _advice(report: Report) -> str:
    count = report.out_of_order_in_a_row
    if count >= OUT_OF_ORDER_IN_A_ROW:
        return f"the stamps of the last {count} images do not advance; fix the stamps in the camera driver"
    return LOSS_ADVICE if report.loses_many else ""


def _values(report: Report) -> Dict[str, str]:
    values = {
        "rate in (Hz)": f"{report.rate_in:.2f}",
        "rate out (Hz)": f"{report.rate_out:.2f}",
        "frames received": str(report.received),
        "frames sampled": str(report.sampled),
        "frames dropped": str(report.dropped),
        "frames out of order": str(report.out_of_order),
        "frames unreadable": str(report.unreadable),
        "labels published": str(report.published),
        "stream resets": str(report.resets),
        "last reset": report.last_reset,
        "last error": report.last_error,
    }
    for name, value in zip(("p50", "p95", "p99"), report.latency_ms or ()):
        values[f"latency {name} (ms)"] = f"{value:.1f}"
    if report.lost_share is not None:
        values["images lost (%)"] = f"{100 * report.lost_share:.0f}"
    return values
