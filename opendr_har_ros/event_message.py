"""A label that began or ended as a standard message, so that nobody needs an interface package of ours."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from opendr_har_core.events import LabelEvent
from opendr_har_core.spec import NANOSECONDS


def event_message(event: LabelEvent, frame_id: str, camera: str) -> DiagnosticArray:
    """One status: named as the label, saying "began" or "ended"; `camera` may be empty.

    The header has the event's stamp and the camera's frame_id. Values: class_id, score, began_sec (seconds on the
    stamps' clock), duration_sec, provisional ("true" or "false").
    """
    message = DiagnosticArray()
    seconds, nanoseconds = divmod(event.stamp_ns, NANOSECONDS)
    message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
    message.header.frame_id = frame_id
    began_sec, began_nanosec = divmod(event.began_ns, NANOSECONDS)
    values = {
        "class_id": str(event.class_id),
        "score": f"{event.score:.6f}",
        "began_sec": f"{began_sec}.{began_nanosec:09d}",  # a float has too few digits for today's nanoseconds
        "duration_sec": f"{event.duration_sec:.3f}",
        "provisional": str(event.provisional).lower(),
    }
    status = DiagnosticStatus(level=DiagnosticStatus.OK, name=event.label, message=event.kind, hardware_id=camera)
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    message.status = [status]
    return message
