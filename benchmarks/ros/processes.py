"""Processes of a measurement over DDS, on this machine only: recognizers, cameras, and what they use."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Sequence, Type

from opendr_har_ros.common.process import prepare_process

CAMERA = Path(__file__).with_name("camera.py")
TICKS_PER_SEC = os.sysconf("SC_CLK_TCK")
END_SEC = 10.0


def isolate(domain: int) -> None:
    """Let this process and its children talk to nobody else; before rclpy is loaded."""
    os.environ.update(ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST", ROS_LOCALHOST_ONLY="1", ROS_DOMAIN_ID=str(domain))
    prepare_process()


class Process:
    """A child that is ended when its `with` block is left."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._file = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, *command], stdout=self._file, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> Optional[int]:
        """None while it runs."""
        return self._process.poll()

    @property
    def cpu_sec(self) -> float:
        """Processor time until now, of all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SEC

    @property
    def peak_rss_mb(self) -> float:
        """The most memory that it has had in use."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int((re.search(r"VmHWM:\s+(\d+)", status) or [0, 0])[1]) / 1024

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_SEC)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._file.close()


def recognizer(log: Path, parameters: Dict[str, Any], remaps: Optional[Dict[str, str]] = None) -> Process:
    """A recognizer node, as `ros2 run` starts it."""
    return _node("recognizer", log, parameters, remaps or {})


def video_publisher(log: Path, parameters: Dict[str, Any]) -> Process:
    """A publisher of a video, as `ros2 run` starts it."""
    return _node("video_publisher", log, parameters, {})


def trainer(log: Path, parameters: Dict[str, Any]) -> Process:
    """A trainer node, as `ros2 run` starts it."""
    return _node("trainer", log, parameters, {})


def _node(executable: str, log: Path, parameters: Dict[str, Any], remaps: Dict[str, str]) -> Process:
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    arguments += [part for pair in remaps.items() for part in ("-r", ":=".join(pair))]
    code = f"import sys; from opendr_har_ros.entry import {executable}; sys.exit({executable}())"
    return Process(["-c", code, "--ros-args", *arguments], log)


def cameras(log: Path, fps: float, topics: Sequence[str], width: int = 640, height: int = 480) -> Process:
    """Cameras of `fps` Hz in one process."""
    return Process([str(CAMERA), str(fps), f"{width}x{height}", *topics], log)
