"""The action WaitForActivity: any number of goals that wait for labels."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Collection, Dict, List, Optional, Tuple

from builtin_interfaces.msg import Time
from rclpy.action import ActionServer, CancelResponse
from rclpy.duration import Duration

from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.common.har_messages import WaitForActivity, duration_message, time_message


@dataclass
class _Wait:
    """One goal, and since when each (source, track id) has had its label."""

    goal: Any
    label: str
    source: str  # "" for any
    minimum_score: float
    hold_ns: int
    since_ns: Dict[Tuple[str, str], int] = field(default_factory=dict)
    timer: Any = None


class ActivityWaits:
    """Serves ~/wait_for_activity, if opendr_har_msgs is installed.

    A goal stays accepted while it waits, and is executed when it ends: so neither a thread nor a coroutine waits.
    `update` may be called from any thread, the other methods from the executor's.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._labels: Collection[str] = ()
        self._sources: Collection[str] = ()
        self._waits: Dict[bytes, _Wait] = {}
        self._ending = 0
        self._lock = threading.Lock()
        if WaitForActivity is not None:
            self._server = ActionServer(
                node,
                WaitForActivity,
                "~/wait_for_activity",
                execute_callback=lambda goal: WaitForActivity.Result(),
                handle_accepted_callback=self._on_goal,
                cancel_callback=self._on_cancel,
            )

    @property
    def waiting(self) -> bool:
        """Whether any goal waits."""
        return bool(self._waits)

    def serve(self, labels: Collection[str], sources: Collection[str] = ()) -> None:
        """Serve goals for these labels, none while inactive, of named `sources`; abort goals that wait for others."""
        self._labels, self._sources = labels, sources
        for wait in self._all():
            reason = self._refusal(wait.label)
            if reason:
                self._end(wait, "abort", reason)

    def close(self) -> bool:
        """Abort all goals; returns whether all of them have ended, which takes turns of the executor."""
        self.serve(())
        return not self._ending

    def update(self, source: str, prediction: Prediction, track_id: str = "") -> None:
        """A new label of a source or one of its persons: publish feedback, and end goals that have been reached."""
        for wait in self._all():
            if wait.source not in ("", source):
                continue
            now, held_ns = prediction.stamp_ns, 0
            if prediction.label == wait.label and prediction.score >= wait.minimum_score:
                held_ns = now - wait.since_ns.setdefault((source, track_id), now)
                if held_ns >= wait.hold_ns:
                    self._end(wait, "succeed", stamp=time_message(now))
                    continue
            else:
                wait.since_ns.pop((source, track_id), None)
            wait.goal.publish_feedback(
                WaitForActivity.Feedback(
                    label=prediction.label, score=float(prediction.score), held=duration_message(held_ns)
                )
            )

    def interrupt(self, source: str, track_id: Optional[str] = None) -> None:
        """The labels of a source, or one of its persons, up to now and from now on do not belong together."""
        for wait in self._all():
            for key in [key for key in wait.since_ns if key[0] == source and track_id in (None, key[1])]:
                wait.since_ns.pop(key, None)

    def _all(self) -> List[_Wait]:
        with self._lock:
            return list(self._waits.values())

    def _on_goal(self, goal: Any) -> None:
        """Accepted goals that can't be reached are aborted, since a rejection carries no reason."""
        request = goal.request
        source, slash, label = request.label.partition("/")
        if not slash or source not in self._sources:
            source, label = "", request.label
        hold, timeout = (Duration.from_msg(span).nanoseconds for span in (request.hold, request.timeout))
        wait = _Wait(goal, label, source, request.minimum_score, hold)
        reason = self._refusal(label)
        if not 0 <= request.minimum_score <= 1:
            reason = f"minimum_score is {request.minimum_score}, expected 0 to 1"
        if min(hold, timeout) < 0:
            reason = "hold and timeout have to be 0 or more"
        if reason:
            self._settle(wait, "abort", reason)
            return
        if timeout:
            seconds = timeout / NANOSECONDS
            text = f"the timeout of {seconds:g} s has passed"
            wait.timer = self._node.create_timer(seconds, lambda: self._end(wait, "abort", text))
        with self._lock:
            self._waits[_key(goal)] = wait

    def _refusal(self, label: str) -> str:
        """Why nothing can wait for a label, or ""."""
        if not self._labels:
            return "the node is not active"
        if label in self._labels:
            return ""
        near = get_close_matches(label, self._labels, 1)
        return f"the model has no class {label!r}" + (f"; did you mean {near[0]!r}?" if near else "")

    def _on_cancel(self, goal: Any) -> CancelResponse:
        with self._lock:
            wait = self._waits.get(_key(goal))
        is_mine = wait is not None and self._end(wait, "canceled", "canceled")
        return CancelResponse.ACCEPT if is_mine else CancelResponse.REJECT

    def _end(self, wait: _Wait, how: str, message: str = "", stamp: Optional[Time] = None) -> bool:
        """End a goal that waits; returns False if it has ended."""
        with self._lock:
            is_mine = self._waits.pop(_key(wait.goal), None) is not None
        if is_mine:
            self._settle(wait, how, message, stamp)
        return is_mine

    def _settle(self, wait: _Wait, how: str, message: str, stamp: Optional[Time] = None) -> None:
        """Answer the client in the executor's next turn."""
        result = WaitForActivity.Result(reached=stamp is not None, message=message, stamp=stamp or Time())
        with self._lock:
            self._ending += 1

        def settle(goal: Any) -> Any:
            if wait.timer is not None:
                self._node.destroy_timer(wait.timer)
            getattr(goal, how)()
            with self._lock:
                self._ending -= 1
            return result

        wait.goal.execute(settle)


def _key(goal: Any) -> bytes:
    return bytes(goal.goal_id.uuid)
