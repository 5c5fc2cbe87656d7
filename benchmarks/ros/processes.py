"""Nodes and cameras as subprocesses on this machine only, and what they use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Sequence, Type

import psutil

from opendr_har_core.benchmarking.machine import process_memory
from opendr_har_ros.common.process import prepare_process

CAMERA = Path(__file__).with_name("camera.py")
END_SEC = 10.0


def isolate(domain: int) -> None:
    """Restrict this process and its subprocesses to this machine and a ROS domain; call it before loading rclpy."""
    os.environ.update(ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST", ROS_LOCALHOST_ONLY="1", ROS_DOMAIN_ID=str(domain))
    prepare_process()


class Process:
    """A subprocess that ends when its `with` block is left."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._file = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, *command], stdout=self._file, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> Optional[int]:
        """None while it runs."""
        return self._process.poll()

    @property
    def cpu_sec(self) -> float:
        """Processor time so far, of all threads."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def peak_rss_mb(self) -> float:
        """Peak resident memory."""
        memory = process_memory(self.pid)
        return memory.peak_bytes / (1 << 20) if memory else 0.0

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


def node(executable: str, log: Path, parameters: Dict[str, Any], remaps: Optional[Dict[str, str]] = None) -> Process:
    """A node of this package, as `ros2 run` starts it."""
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    arguments += [part for pair in (remaps or {}).items() for part in ("-r", ":=".join(pair))]
    code = f"import sys; from opendr_har_ros.entry import {executable}; sys.exit({executable}())"
    return Process(["-c", code, "--ros-args", *arguments], log)


def cameras(log: Path, fps: float, topics: Sequence[str], width: int = 640, height: int = 480) -> Process:
    """Cameras of `fps` Hz in one process."""
    return Process([str(CAMERA), str(fps), f"{width}x{height}", *topics], log)
