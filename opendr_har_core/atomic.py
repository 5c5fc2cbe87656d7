"""Writing files so that a reader never sees half of one, and a killed writer leaves nothing for ever."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Tuple, Union

# More writers of one file at a time than there are on any robot.
MOST_WRITERS = 100


@contextmanager
def atomic_path(path: Union[str, Path]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it becomes `path`, on an error it is removed.

    What a writer that was killed has left is taken over by the next writer of the same file, so that kills don't fill
    the disk. The suffix is kept, since writers choose a format by it. Raises OSError where the folder can't be written.
    """
    path = Path(path)
    temporary, lock = _claim(path)
    try:
        try:
            yield temporary
            flush(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush(path.parent)
    finally:
        os.close(lock)


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _claim(path: Path) -> Tuple[Path, int]:
    """An empty file beside `path` that is no other writer's until its descriptor is closed."""
    for number in range(MOST_WRITERS):
        temporary = path.with_name(f".{path.stem}.{number}{path.suffix}")
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            try:
                descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:  # somebody else's, or gone by now
                continue
            if _is_abandoned(descriptor, temporary):
                os.ftruncate(descriptor, 0)
                return temporary, descriptor
        else:
            if _is_free(descriptor, temporary):
                return temporary, descriptor
        os.close(descriptor)
    raise OSError(errno.EBUSY, f"{MOST_WRITERS} others are writing it", str(path))


def _is_abandoned(descriptor: int, path: Path) -> bool:
    """Whether a file that was there is one that we left, and nobody writes it; locks it then."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink != 1:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # a writer holds it, or the file system has no locks
        return False
    return _is_at(descriptor, path)


def _is_free(descriptor: int, path: Path) -> bool:
    """Whether nobody has taken over a file that was just made; locks it then."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: there nobody takes over anything
        return True
    return _is_at(descriptor, path)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file still has this name: the one who held the lock before may have renamed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
