"""The C library's allocator, where it is glibc's."""

from __future__ import annotations

import ctypes


def give_memory_back() -> None:
    """Return what the allocator holds and nobody uses to the system, where glibc can; takes milliseconds."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
