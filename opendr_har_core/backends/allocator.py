"""Options of glibc's memory allocator; other allocators are left alone."""

from __future__ import annotations

import ctypes

# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8


def keep_freed(largest: int, unused: int) -> None:
    """Make malloc reuse buffers of up to `largest` bytes, and keep at most `unused` free bytes.

    By default, glibc maps and unmaps each large buffer, with a page fault per page.
    """
    set_option(M_MMAP_THRESHOLD, largest)
    set_option(M_TRIM_THRESHOLD, unused)


def set_option(option: int, value: int) -> None:
    """Set one of malloc's options."""
    try:
        ctypes.CDLL(None).mallopt(option, value)
    except (OSError, AttributeError):  # not glibc
        return


def give_memory_back() -> None:
    """Return free memory to the system; takes milliseconds."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # not glibc
        return
