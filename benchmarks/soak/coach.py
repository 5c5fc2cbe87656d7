"""Somebody who has a trainer train, and follows how it goes."""

from __future__ import annotations

from typing import Dict

from diagnostic_msgs.msg import DiagnosticStatus
from participant import Participant
from std_srvs.srv import Trigger

from opendr_har_ros.qos import LATCHED
from opendr_har_ros.trainer_job import CANCELLED, DONE, FAILED

NODE = "/trainer"
OVER = (DONE, CANCELLED, FAILED)


class Coach(Participant):
    """Starts jobs; `progress` is the newest that the trainer said."""

    def __init__(self) -> None:
        super().__init__("soak_coach")
        self.progress: Dict[str, str] = {}
        self.node.create_subscription(DiagnosticStatus, f"{NODE}/progress", self._on_progress, LATCHED)

    def start(self) -> None:
        """Start a job; raises RuntimeError with the trainer's reason where it does not, and TimeoutError."""
        self.progress = {}
        answer = self.call(Trigger, f"{NODE}/start", Trigger.Request())
        if not answer.success:
            raise RuntimeError(answer.message)
        self.until(lambda: self.pid or self.over, "a process that trains")

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
