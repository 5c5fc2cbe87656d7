"""Somebody who has a trainer train, and follows how it goes."""

from __future__ import annotations

from contextlib import suppress
from typing import Dict

from diagnostic_msgs.msg import DiagnosticStatus
from participant import Participant
from std_srvs.srv import Trigger

from opendr_har_ros.common.qos import LATCHED
from opendr_har_ros.trainer.job import CANCELLED, DONE, FAILED, IDLE

NODE = "/trainer"
OVER = (DONE, CANCELLED, FAILED)
ATTEMPTS, ASK_AGAIN_SEC = 10, 3.0


class Coach(Participant):
    """Starts jobs; `progress` is the newest that the trainer said."""

    def __init__(self) -> None:
        super().__init__("soak_coach")
        self.progress: Dict[str, str] = {}
        self.node.create_subscription(DiagnosticStatus, f"{NODE}/progress", self._on_progress, LATCHED)

    def meet(self) -> None:
        """Wait for a trainer that has just been started; raises TimeoutError."""
        self.until(lambda: self.progress.get("state") == IDLE, "a trainer that is idle")

    def start(self) -> None:
        """Start a job; raises RuntimeError with the trainer's reason where it does not, and TimeoutError."""
        before = self.progress["job"]
        client = self.node.create_client(Trigger, f"{NODE}/start")
        # One that was killed seems to be there for a while, and a new one may not know of this client yet.
        for _ in range(ATTEMPTS):
            answer = client.call_async(Trigger.Request())
            with suppress(TimeoutError):
                self.until(answer.done, "an answer", ASK_AGAIN_SEC)
                break
        self.node.destroy_client(client)
        if answer.done() and not answer.result().success and self.progress["job"] == before:
            raise RuntimeError(answer.result().message)
        self.until(lambda: self.progress["job"] != before, "a job that begins")

    def wait_for_end(self, patience_sec: float) -> float:
        """Seconds until the trainer said that the job is over; raises TimeoutError."""
        return self.until(lambda: self.over, "the end of a job", patience_sec)

    @property
    def over(self) -> bool:
        """Whether the job that was started has ended."""
        return self.progress.get("state") in OVER

    @property
    def pid(self) -> int:
        """Of the process that trains; 0 if none does."""
        return int(self.progress.get("pid") or 0)

    def _on_progress(self, message: DiagnosticStatus) -> None:
        self.progress = {item.key: item.value for item in message.values}
