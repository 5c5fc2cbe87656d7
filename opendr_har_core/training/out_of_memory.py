"""Memory of training: keep what is freed for the next batch, and one error for the many ways of running out."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import Iterator, List, Optional, Sequence

from opendr_har_core.backends.allocator import keep_freed
from opendr_har_core.errors import ResourceError
from opendr_har_core.training.settings import TrainingSettings

# PyTorch's own on the CPU, and those of older versions and of CUDA's libraries, are plain RuntimeErrors.
SHORTAGE = ("allocate memory", "unable to allocate", "out of memory", "_status_alloc_failed")
# Processes that read data hand clips over in /dev/shm, which has a size of its own.
SHARED = ("shared memory", "unable to write to file </torch_")
# What becomes of such a process where the kernel makes room; or where it crashes, which PyTorch does not tell apart.
LOST = ("is killed by signal", "exited unexpectedly")


GIB = 1 << 30


def keep_freed_memory() -> None:
    """Let the tensors of one batch reuse those of the batch before, in this process and from now on.

    Page faults would otherwise take half the time of a pass over a batch on the CPU.
    """
    keep_freed(GIB, GIB)


@contextmanager
def memory_explained(settings: TrainingSettings) -> Iterator[None]:
    """Raises ResourceError where memory runs out within; every other error goes by as it is."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        told = _told(error)
        what = _what(error, told)
        if what is None:
            raise
        given = {name: getattr(settings, name) for name in ("batch_size", "num_workers", "freeze")}
        raise ResourceError(
            f"{what} while training with {given} ({told}); try {', '.join(_advice(settings, told))}{_kept(settings)}"
        ) from error


def _what(error: BaseException, told: str) -> Optional[str]:
    if isinstance(error, OSError):  # its text may hold the name of a file
        return "memory ran out" if error.errno == errno.ENOMEM else None
    if _tells(told, SHARED):
        return "shared memory ran out"
    if isinstance(error, MemoryError) or _tells(told, SHORTAGE):
        return "memory ran out"
    return "a process that reads data ended (killed, crashed, or out of memory)" if _tells(told, LOST) else None


def _tells(text: str, signs: Sequence[str]) -> bool:
    return any(sign in text.lower() for sign in signs)


def _told(error: BaseException) -> str:
    """What it says in a line: the first one, or the last one where another process's traceback stands before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if lines[0].startswith("Caught ") else 0][:200]


def _advice(settings: TrainingSettings, told: str) -> List[str]:
    choices = []
    if _tells(told, SHARED):
        choices.append("num_workers 0, or more of it (docker run --shm-size)")
    elif settings.num_workers:
        choices.append("fewer num_workers")
    if settings.batch_size > 1:
        choices.append("a smaller batch_size (with accumulate, updates stay as they are)")
    if settings.freeze != "head":
        choices.append("freeze 'head'")
    return [*choices, "a smaller network"]


def _kept(settings: TrainingSettings) -> str:
    if settings.checkpoint_folder is None:
        return ""
    return f". Checkpoints that were written to {settings.checkpoint_folder} before are whole; resume goes on from them"
