"""What a process that moves images should set before NumPy and rclpy are loaded."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Dict, Mapping

from opendr_har_core.backends.allocator import M_ARENA_MAX, keep_freed, set_option

PROFILE = Path(__file__).parents[1] / "data" / "fastdds_large_images.xml"
# Fast DDS 3, which came with Kilted, renamed the variable and warns about the old name.
PROFILE_VARIABLE, OLD_PROFILE_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
DISTRIBUTIONS_BEFORE_FAST_DDS_3 = ("foxy", "galactic", "humble", "iron", "jazzy")

MIB = 1 << 20
# One for the thread that takes images, one for the rest. ONNX Runtime shares out its memory itself.
ARENAS = 2


def prepare_process() -> None:
    """Make room for images in DDS and in the allocator; for the main thread."""
    os.environ.update(large_image_profile(os.environ))
    keep_image_buffers()
    keep_few_arenas(os.environ)
    # Who starts us may not care for its children; we want to know how ours end.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def large_image_profile(environment: Mapping[str, str]) -> Dict[str, str]:
    """What to add to `environment` so that Fast DDS uses the shipped profile; nothing if the user has chosen one.

    The processes that send images need it, so launch files set it as well. Other middlewares ignore it.
    """
    if environment.get(PROFILE_VARIABLE) or environment.get(OLD_PROFILE_VARIABLE):
        return {}
    is_old = environment.get("ROS_DISTRO", "") in DISTRIBUTIONS_BEFORE_FAST_DDS_3
    return {OLD_PROFILE_VARIABLE if is_old else PROFILE_VARIABLE: str(PROFILE)}


def keep_image_buffers() -> None:
    """Let malloc reuse buffers of image size."""
    keep_freed(32 * MIB, 128 * MIB)


def keep_few_arenas(environment: Mapping[str, str]) -> None:
    """Let threads share malloc's pools: each of their own would keep pieces of the models that were exchanged.

    glibc makes up to eight for each core; who sets MALLOC_ARENA_MAX in `environment` has chosen.
    """
    if not environment.get("MALLOC_ARENA_MAX"):
        set_option(M_ARENA_MAX, ARENAS)
