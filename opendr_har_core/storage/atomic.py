"""Atomic file writes."""

from __future__ import annotations

import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Union

# Precedes the suffix of unfinished files.
MARK = ".part"
ABANDONED_AFTER_SEC = 3600.0


@contextmanager
def atomic_path(path: Union[str, Path]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it becomes `path`, on an error it is removed.

    The suffix is kept, since writers choose a format by it. A process that is killed leaves the temporary file behind,
    see `remove_abandoned`. Raises OSError if the folder can't be written.
    """
    path = Path(path)
    temporary = path.parent / f".{path.stem}.{secrets.token_hex(4)}{MARK}{path.suffix}"
    try:  # from before the file exists, so that Ctrl-C always removes it
        temporary.touch(exist_ok=False)
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def publish_folder(unfinished: Path, path: Path) -> None:
    """Rename a folder of finished files to `path`, on the disk, too; raises OSError if that is a folder with files."""
    for file in unfinished.iterdir():
        flush(file)
    flush(unfinished)
    unfinished.rename(path)
    flush(path.parent)


def remove_abandoned(folder: Union[str, Path]) -> None:
    """Remove temporary files of `atomic_path` that killed writers left in a folder, so that they don't fill the disk.

    These are files with such a name that have not changed for an hour. Files that can't be removed stay.
    """
    with suppress(OSError):
        for path in Path(folder).glob(f".*.????????{MARK}*"):
            with suppress(OSError):  # another process removed it
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > ABANDONED_AFTER_SEC:
                    path.unlink()


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
