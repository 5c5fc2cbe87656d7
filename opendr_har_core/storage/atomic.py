"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Union

# Stands before the suffix of what is not whole yet.
MARK = ".part"
ABANDONED_AFTER_SEC = 3600.0


@contextmanager
def atomic_path(path: Union[str, Path]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it becomes `path`, on an error it is removed.

    The suffix is kept, since writers choose a format by it. A process that is killed leaves the temporary file, see
    `remove_abandoned`. Raises OSError where the folder can't be written.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=MARK + path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        flush(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_abandoned(folder: Union[str, Path]) -> None:
    """Remove what writers that were killed have left in a folder, so that kills don't fill the disk.

    That is what bears the name of a temporary file of `atomic_path` and has not been written to for an hour. What can't
    be removed stays.
    """
    with suppress(OSError):
        for path in Path(folder).glob(f".*.????????{MARK}*"):
            with suppress(OSError):  # another one was quicker
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > ABANDONED_AFTER_SEC:
                    path.unlink()


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """The process's file mode mask, which mkstemp ignores; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
