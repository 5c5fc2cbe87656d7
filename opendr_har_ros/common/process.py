"""Process setup for nodes: signals, the Fast DDS profile and malloc, before NumPy and rclpy are loaded."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, Mapping

from opendr_har_core.backends.allocator import M_ARENA_MAX, keep_freed, set_option

PROFILE = Path(__file__).parents[1] / "data" / "fastdds_large_images.xml"
# Fast DDS 3, first shipped with Kilted, renamed the variable and warns about the old name.
PROFILE_VARIABLE, OLD_PROFILE_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
DISTRIBUTIONS_BEFORE_FAST_DDS_3 = ("humble", "jazzy")

# Fast DDS 2 and 3; the few kB of a port are left to Fast DDS, which uses them again.
SEGMENT_LOCK = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}_el")
MIB = 1 << 20
# One arena for the thread that receives images, one for the rest; ONNX Runtime manages its own memory.
ARENAS = 2
# Launchers forward the Ctrl-C that the terminal has already sent: two signals this close count as one.
SAME_SIGNAL_SEC = 1.0


class StopFlag:
    """Set by the first SIGINT or SIGTERM; another one more than a second later ends the process at once."""

    def __init__(self) -> None:
        self.raised = False
        self._since = 0.0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def ignore_signals(self) -> None:
        """Ignore later signals: during interpreter shutdown a late one would replace the exit code by its number."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, _frame: Any) -> None:
        if not self.raised:
            self.raised, self._since = True, time.monotonic()
        elif time.monotonic() - self._since > SAME_SIGNAL_SEC:
            os._exit(128 + number)


def prepare_process() -> None:
    """Configure DDS and the allocator for large images; call it from the main thread before importing rclpy."""
    os.environ.update(large_image_profile(os.environ))
    remove_dead_segments()
    keep_image_buffers()
    limit_arenas(os.environ)
    # A parent may have set SIGCHLD to SIG_IGN, which would hide the exit codes of our subprocesses.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def large_image_profile(environment: Mapping[str, str]) -> Dict[str, str]:
    """Variables that make Fast DDS use the shipped profile; empty if the user has set a profile.

    Publishers of images need the profile, so the launch files set it as well. Other middlewares ignore it.
    """
    if environment.get(PROFILE_VARIABLE) or environment.get(OLD_PROFILE_VARIABLE):
        return {}
    distribution = environment.get("ROS_DISTRO")
    # ROS 2's Python wheels set no ROS_DISTRO; their package of Fast DDS was renamed as well.
    is_old = distribution in DISTRIBUTIONS_BEFORE_FAST_DDS_3 if distribution else find_spec("fastrtps") is not None
    return {OLD_PROFILE_VARIABLE if is_old else PROFILE_VARIABLE: str(PROFILE)}


def remove_dead_segments(folder: Path = Path("/dev/shm")) -> None:
    """Remove shared memory that killed processes of Fast DDS left behind, 35 MB each with the shipped profile.

    Fast DDS locks NAME_el (flock) before it creates the segment NAME, and keeps the lock as long as it lives; the
    kernel releases it when the process dies. So a segment whose lock we get has no owner. Fast DDS opens the lock file
    again if it was removed between its open and its lock.
    """
    for lock in folder.glob("fast*_el"):
        if not SEGMENT_LOCK.fullmatch(lock.name):
            continue
        try:
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock.with_name(lock.name[: -len("_el")]).unlink()
                lock.unlink()
        except OSError:  # in use, another user's, or removed meanwhile
            continue


def keep_image_buffers() -> None:
    """Let malloc reuse freed buffers of image size instead of returning them to the kernel."""
    keep_freed(32 * MIB, 128 * MIB)


def limit_arenas(environment: Mapping[str, str]) -> None:
    """Limit malloc's arenas, unless `environment` sets MALLOC_ARENA_MAX.

    glibc creates up to eight per core, and each would retain fragments of replaced models.
    """
    if not environment.get("MALLOC_ARENA_MAX"):
        set_option(M_ARENA_MAX, ARENAS)
