"""Somebody who looks at the labels and does nothing else."""

from __future__ import annotations

import time
from typing import Any

from participant import Participant
from player import LABELS
from vision_msgs.msg import Classification


class Viewer(Participant):
    """Waits for labels of images that are new."""

    def __init__(self) -> None:
        super().__init__("soak_viewer")
        self._newest_ns = 0
        self.node.create_subscription(Classification, LABELS, self._on_label, 10)

    def wait_for_label(self, patience_sec: float) -> float:
        """Seconds until a label of an image came that was taken after this call; raises TimeoutError."""
        begin_ns = time.time_ns()
        return self.until(lambda: self._newest_ns >= begin_ns, "a label of a new image", patience_sec)

    def _on_label(self, message: Any) -> None:
        self._newest_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
