"""What a process that moves images should set before NumPy and rclpy are loaded."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Dict, Mapping

PROFILE = Path(__file__).parent / "data" / "fastdds_large_images.xml"
# Fast DDS 3, which came with Kilted, renamed the variable and warns about the old name.
PROFILE_VARIABLE, OLD_PROFILE_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
DISTRIBUTIONS_BEFORE_FAST_DDS_3 = ("foxy", "galactic", "humble", "iron", "jazzy")

# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MIB = 1 << 20


def prepare_process() -> None:
    """Make room for images in DDS and in the allocator."""
    os.environ.update(large_image_profile(os.environ))
    keep_image_buffers()


def large_image_profile(environment: Mapping[str, str]) -> Dict[str, str]:
    """What to add to `environment` so that Fast DDS uses the shipped profile; nothing if the user has chosen one.

    The processes that send images need it, so launch files set it as well. Other middlewares ignore it.
    """
    if environment.get(PROFILE_VARIABLE) or environment.get(OLD_PROFILE_VARIABLE):
        return {}
    is_old = environment.get("ROS_DISTRO", "") in DISTRIBUTIONS_BEFORE_FAST_DDS_3
    return {OLD_PROFILE_VARIABLE if is_old else PROFILE_VARIABLE: str(PROFILE)}


def keep_image_buffers() -> None:
    """Let malloc reuse buffers of image size; by default glibc maps and unmaps each, page fault by page fault."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc: its allocator has other rules
        return
    mallopt(M_MMAP_THRESHOLD, 32 * MIB)
    mallopt(M_TRIM_THRESHOLD, 128 * MIB)


def give_memory_back() -> None:
    """Return what the allocator holds and nobody uses to the system, where glibc can; takes milliseconds."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
