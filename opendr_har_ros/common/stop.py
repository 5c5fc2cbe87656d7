"""Signals that ask a process to end, heeded from its first moment to its last."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

# Launchers pass a Ctrl-C on that the terminal has sent to us as well: that is one wish to end, not two.
SAME_SIGNAL_SEC = 1.0


class StopFlag:
    """Raised by the first SIGINT or SIGTERM; another one, a second or more later, ends the process at once."""

    def __init__(self) -> None:
        self.raised = False
        self._since = 0.0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def ignore_signals(self) -> None:
        """From here on: Python's last steps would fall back on dying of a late signal, with its number as exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, _frame: Any) -> None:
        if not self.raised:
            self.raised, self._since = True, time.monotonic()
        elif time.monotonic() - self._since > SAME_SIGNAL_SEC:
            os._exit(128 + number)
