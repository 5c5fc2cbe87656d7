"""A label that began or ended as a standard message, so that nobody needs an interface package of ours."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent


def event_message(event: LabelEvent, frame_id: str, camera: str) -> DiagnosticArray:
    """One status: named as the label, saying "began" or "ended"; `camera` may be empty.

    The header has the event's stamp and the camera's frame_id. Values: class_id, score, began_sec (seconds on the
    stamps' clock), duration_sec, provisional ("true" or "false").
    """
    message = DiagnosticArray()
    # Drivers may stamp an image with what no normalised stamp can hold.
    seconds, nanoseconds = divmod(event.stamp_ns, NANOSECONDS)
    message.header.stamp.sec, message.header.stamp.nanosec = max(-(2**31), min(seconds, 2**31 - 1)), nanoseconds
    message.header.frame_id = frame_id
    status = DiagnosticStatus(level=DiagnosticStatus.OK, name=event.label, message=event.kind, hardware_id=camera)
    status.values = [KeyValue(key=key, value=value) for key, value in event.values().items()]
    message.status = [status]
    return message
