"""The C library's allocator, where it is glibc's."""

from __future__ import annotations

import ctypes

# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8


def keep_freed(largest: int, unused: int) -> None:
    """Let malloc reuse buffers of up to `largest` bytes, and hold on to `unused` bytes at most.

    By default glibc maps and unmaps each large buffer, page fault by page fault.
    """
    set_option(M_MMAP_THRESHOLD, largest)
    set_option(M_TRIM_THRESHOLD, unused)


def set_option(option: int, value: int) -> None:
    """Set one of malloc's options, where the allocator is glibc's."""
    try:
        ctypes.CDLL(None).mallopt(option, value)
    except (OSError, AttributeError):  # others have other rules
        return


def give_memory_back() -> None:
    """Return what the allocator holds and nobody uses to the system, where glibc can; takes milliseconds."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
