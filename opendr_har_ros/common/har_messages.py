"""The types of opendr_har_msgs where it is installed, else None, and labels as its messages."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Duration, Time
from std_msgs.msg import Header

from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import BEGAN, LabelEvent
from opendr_har_ros.common.vision_messages import class_id

try:
    from opendr_har_msgs.action import Teach, WaitForActivity
    from opendr_har_msgs.msg import ActivityEvent, Lesson
    from opendr_har_msgs.srv import Forget, Lessons, SetModel
except ImportError as error:
    ActivityEvent = Forget = Lesson = Lessons = SetModel = Teach = WaitForActivity = None
    MISSING = f"opendr_har_msgs can't be imported ({error}); build interfaces/opendr_har_msgs"
else:
    MISSING = ""


def activity_event(event: LabelEvent, class_id_format: str, frame_id: str, track_id: str = "") -> Any:
    """An ActivityEvent with a class id of this format; `track_id` names the person, if labels are about persons."""
    return ActivityEvent(
        header=Header(stamp=time_message(event.stamp_ns), frame_id=frame_id),
        track_id=track_id,
        class_id=class_id(event, class_id_format),
        score=float(event.score),
        kind=ActivityEvent.BEGAN if event.kind == BEGAN else ActivityEvent.ENDED,
        begin=time_message(event.began_ns),
        duration=duration_message(event.stamp_ns - event.began_ns),
    )


def time_message(stamp_ns: int) -> Time:
    """Nanoseconds as a Time, clipped to its 32 bits of seconds: drivers may set nanosec beyond 1e9."""
    sec, nanosec = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=max(-(2**31), min(sec, 2**31 - 1)), nanosec=nanosec)


def duration_message(nanoseconds: int) -> Duration:
    """Nanoseconds as a Duration."""
    sec, nanosec = divmod(nanoseconds, NANOSECONDS)
    return Duration(sec=max(-(2**31), min(sec, 2**31 - 1)), nanosec=nanosec)
