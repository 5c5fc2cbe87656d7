"""Options of glibc's memory allocator; other allocators are left alone."""

from __future__ import annotations

import ctypes
from contextlib import suppress

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
    _call("mallopt", option, value)


def give_memory_back() -> None:
    """Return free memory to the system; takes milliseconds."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    with suppress(OSError, AttributeError):  # not glibc
        getattr(ctypes.CDLL(None), function)(*arguments)
