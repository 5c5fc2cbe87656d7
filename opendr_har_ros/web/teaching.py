"""Teaches a recognizer over its action and services, for the live page."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, List, Optional

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient

from opendr_har_core.errors import HarError
from opendr_har_core.live.state import LessonInfo
from opendr_har_core.live.teaching import RECORDING, Learned, LessonCancelledError, Progress
from opendr_har_ros.common.har_messages import Forget, Lessons, Teach

# An answer comes at once, unless it gets lost: a server may not have discovered its client yet.
ANSWER_SEC = 10.0
# After the recording, for the computation of the features and the fit.
LEARN_SEC = 60.0
PROGRESS_SEC = 0.2


class RosTeaching:
    """A `Teaching` of another node; call its methods while an executor spins, from another thread."""

    def __init__(self, node: Any, recognizer: str, camera: str) -> None:
        self._camera = camera
        self._actions = ActionClient(node, Teach, f"{recognizer}/teach")
        self._forgetting = node.create_client(Forget, f"{recognizer}/forget")
        self._listing = node.create_client(Lessons, f"{recognizer}/lessons")
        self._thumbnails: Dict[LessonInfo, bytes] = {}
        self._closed = False

    @property
    def is_ready(self) -> bool:
        """Whether the node is there and can be taught."""
        services = (self._forgetting, self._listing)
        return self._actions.server_is_ready() and all(service.service_is_ready() for service in services)

    def close(self) -> None:
        """The executor ends: wait for no more answers."""
        self._closed = True

    def teach(
        self, label: str, seconds: float, track_id: str, progress: Progress, cancelled: threading.Event
    ) -> Learned:
        """See `Teaching`."""
        goal = Teach.Goal(label=label, seconds=seconds, camera=self._camera, track_id=track_id)
        newest = Teach.Feedback(state=RECORDING)

        def listen(message: Any) -> None:
            nonlocal newest
            newest = message.feedback

        handle = self._answer(self._actions.send_goal_async(goal, listen))
        if not handle.accepted:
            raise HarError("the recognizer has refused the lesson; is another one under way?")
        end, is_asked, deadline = handle.get_result_async(), False, time.monotonic() + seconds + LEARN_SEC
        while not _is_done(end, PROGRESS_SEC):
            if self._closed or time.monotonic() > deadline or not self._actions.server_is_ready():
                raise HarError("the recognizer is gone or does not answer; its lessons are kept")
            if cancelled.is_set() and not is_asked:
                handle.cancel_goal_async()
                is_asked = True
            progress(newest.state, newest.seconds, newest.quality)
        result = end.result().result
        if end.result().status == GoalStatus.STATUS_CANCELED:
            raise LessonCancelledError
        if not result.success:
            raise HarError(result.message)
        return Learned(result.message, tuple(result.warnings))

    def forget(self, label: str, id: str) -> None:
        """See `Teaching`."""
        self._call(self._forgetting, Forget.Request(label=label, id=id))

    def lessons(self) -> List[LessonInfo]:
        """See `Teaching`."""
        found = self._call(self._listing, Lessons.Request(thumbnails=True)).lessons
        self._thumbnails = {LessonInfo(each.label, each.id): bytes(each.thumbnail) for each in found}
        return list(self._thumbnails)

    def thumbnail(self, lesson: LessonInfo) -> Optional[bytes]:
        """See `Teaching`."""
        return self._thumbnails.get(lesson) or None

    def _call(self, service: Any, request: Any) -> Any:
        response = self._answer(service.call_async(request))
        if not response.success:
            raise HarError(response.message)
        return response

    def _answer(self, future: Any) -> Any:
        end = time.monotonic() + ANSWER_SEC
        while not _is_done(future, PROGRESS_SEC):
            if self._closed or time.monotonic() > end:
                raise HarError("the recognizer does not answer; try again")
        return future.result()


def _is_done(future: Any, timeout_sec: float) -> bool:
    """Whether a future is done within a time."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return done.wait(timeout_sec)
