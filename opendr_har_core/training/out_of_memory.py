"""Memory of training: reuse of freed memory, and one error for every way of running out."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import Iterator, List, Optional, Sequence

from opendr_har_core.backends.allocator import keep_freed
from opendr_har_core.errors import ResourceError
from opendr_har_core.training.settings import TrainingSettings

# PyTorch on the CPU, its older versions and CUDA's libraries raise plain RuntimeErrors with these texts.
SHORTAGE = ("allocate memory", "unable to allocate", "out of memory", "_status_alloc_failed")
# DataLoader workers pass clips through /dev/shm, which has a limit of its own.
SHARED = ("shared memory", "unable to write to file </torch_")
# A worker that the kernel killed to free memory, or that crashed: PyTorch does not distinguish them.
LOST = ("is killed by signal", "exited unexpectedly")
GIB = 1 << 30


def keep_freed_memory() -> None:
    """Let each batch reuse the memory of the batch before, for the rest of this process.

    Otherwise page faults take half the time of a pass over a batch on the CPU.
    """
    keep_freed(GIB, GIB)


@contextmanager
def memory_explained(settings: TrainingSettings) -> Iterator[None]:
    """Raise ResourceError when memory runs out in the context; other errors pass unchanged."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        told = _told(error)
        what = _what(error, told)
        if what is None:
            raise
        given = {name: getattr(settings, name) for name in ("batch_size", "num_workers", "freeze")}
        folder = settings.checkpoint_folder
        kept = f". Earlier checkpoints in {folder} are intact; resume continues from them" if folder else ""
        raise ResourceError(
            f"{what} while training with {given} ({told}); try {', '.join(_advice(settings, told))}{kept}"
        ) from error


def _what(error: BaseException, told: str) -> Optional[str]:
    if isinstance(error, OSError):  # its text may contain a file name
        return "memory ran out" if error.errno == errno.ENOMEM else None
    if _tells(told, SHARED):
        return "shared memory ran out"
    if isinstance(error, MemoryError) or _tells(told, SHORTAGE):
        return "memory ran out"
    return "a data loader worker ended (killed, crashed, or out of memory)" if _tells(told, LOST) else None


def _tells(text: str, signs: Sequence[str]) -> bool:
    return any(sign in text.lower() for sign in signs)


def _told(error: BaseException) -> str:
    """The first line of the message, or the last one after the traceback of a worker."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if lines[0].startswith("Caught ") else 0][:200]


def _advice(settings: TrainingSettings, told: str) -> List[str]:
    choices = []
    if _tells(told, SHARED):
        choices.append("num_workers 0, or more shared memory (docker run --shm-size)")
    elif settings.num_workers:
        choices.append("fewer num_workers")
    if settings.batch_size > 1:
        choices.append("a smaller batch_size (with accumulate, for the same updates)")
    if settings.freeze != "head":
        choices.append("freeze 'head'")
    return [*choices, "a smaller network"]
