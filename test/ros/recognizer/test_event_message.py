"""Label events as a standard message."""

from __future__ import annotations

import pytest

pytest.importorskip("diagnostic_msgs")

from diagnostic_msgs.msg import DiagnosticStatus

from opendr_har_core.streaming.events import LabelEvent
from opendr_har_ros.recognizer.event_message import event_message

EVENT = LabelEvent("ended", "archery", 5, 0.625, 1_700_000_012_500_000_001, 1_700_000_010_000_000_009, 2.5, False)


def test_an_event_is_a_status_named_as_the_label():
    message = event_message(EVENT, "camera_front", "front")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_012, 500_000_001)
    assert message.header.frame_id == "camera_front"
    (status,) = message.status
    assert (status.name, status.message, status.hardware_id) == ("archery", "ended", "front")
    assert status.level == DiagnosticStatus.OK
    assert {item.key: item.value for item in status.values} == {
        "class_id": "5",
        "score": "0.625000",
        "began_sec": "1700000010.000000009",
        "duration_sec": "2.500",
        "provisional": "false",
    }


@pytest.mark.parametrize(("seconds", "sent"), [(2**31, 2**31 - 1), (-(2**31) - 1, -(2**31))])
def test_a_stamp_that_no_message_can_hold_is_cut_off(seconds, sent):
    ended = LabelEvent("ended", "archery", 5, 0.6, seconds * 10**9 + 7, 7, 0.0, True)
    stamp = event_message(ended, "", "").header.stamp
    assert (stamp.sec, stamp.nanosec) == (sent, 7)


def test_a_camera_without_a_name_has_none_in_the_message():
    began = LabelEvent("began", "archery", 5, 0.6, 7, 7, 0.0, True)
    (status,) = event_message(began, "", "").status
    assert (status.message, status.hardware_id) == ("began", "")
    assert {item.key: item.value for item in status.values}["provisional"] == "true"
