"""Child processes of a demonstration: started as users start them, always ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any, Dict, List, Optional

END_SEC = 5.0


def child_environment() -> Dict[str, str]:
    """This machine only, a domain apart from other robots' nodes, short log lines; what the user has set stays."""
    environment = dict(os.environ)
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment.setdefault("ROS_LOCALHOST_ONLY", "1")
    environment.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    environment.setdefault("RCUTILS_CONSOLE_OUTPUT_FORMAT", "[{name}] {message}")
    return environment


class Child:
    """A node of this package in a process of its own."""

    def __init__(self, executable: str, parameters: Dict[str, Any], remaps: Optional[Dict[str, str]] = None) -> None:
        """`executable` is a function of the module `entry`."""
        code = f"import sys; from opendr_har_ros.entry import {executable}; sys.exit({executable}())"
        arguments: List[str] = []
        for name, value in parameters.items():
            arguments += ["-p", f"{name}:={value}"]
        for source, target in (remaps or {}).items():
            arguments += ["-r", f"{source}:={target}"]
        command = [sys.executable, "-c", code, "--ros-args", *arguments]
        # A session of its own: a Ctrl-C at the terminal is ours to pass on, in order.
        self._process = subprocess.Popen(command, env=child_environment(), start_new_session=True)

    @property
    def exit_code(self) -> Optional[int]:
        """None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Interrupt it and wait; kill it only if it does not end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_SEC)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
