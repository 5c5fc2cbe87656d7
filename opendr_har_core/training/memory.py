"""One error for the many ways in which libraries say that memory has run out."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import Iterator, Optional, Sequence

from opendr_har_core.errors import ResourceError
from opendr_har_core.training.settings import TrainingSettings

# PyTorch's own on the CPU, and those of older versions on a GPU, are plain RuntimeErrors.
SHORTAGE = (
    "can't allocate memory",
    "cannot allocate memory",
    "unable to allocate",
    "out of memory",
    "insufficient shared memory",
)
# Of a process that reads data: the kernel ends the largest where memory is out.
LOST = ("is killed by signal", "exited unexpectedly")


@contextmanager
def memory_explained(settings: TrainingSettings) -> Iterator[None]:
    """Raises ResourceError where memory runs out within; every other error goes by as it is."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        what = _what(error)
        if what is None:
            raise
        given = {name: getattr(settings, name) for name in ("batch_size", "num_workers", "freeze")}
        raise ResourceError(
            f"{what} while training with {given} ({_in_short(error)}); {_advice(settings)}. "
            "Checkpoints that were written before are whole, training can be resumed from them"
        ) from error


def _what(error: BaseException) -> Optional[str]:
    text = str(error)
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM or _tells(text, SHORTAGE):
        return "memory ran out"
    return "a process that reads data was ended, as happens where memory runs out," if _tells(text, LOST) else None


def _tells(text: str, signs: Sequence[str]) -> bool:
    return any(sign in text.lower() for sign in signs)


def _advice(settings: TrainingSettings) -> str:
    choices = ["a smaller batch_size (with accumulate, updates stay as they are)"]
    if settings.num_workers:
        choices.append("fewer num_workers")
    if settings.freeze != "head":
        choices.append("freeze 'head'")
    return f"try {', '.join(choices)} or a smaller network"


def _in_short(error: BaseException) -> str:
    """The line that tells it: around it are PyTorch's own source, or the traceback of another process."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ([line for line in lines if _tells(line, SHORTAGE + LOST)] or lines or [type(error).__name__])[-1][:200]
