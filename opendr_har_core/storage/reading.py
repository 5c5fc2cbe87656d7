"""Bounded reads of regular files, and digests."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Union


def read_regular(path: Union[str, Path], most_bytes: int) -> bytes:
    """The content of a regular file of at most `most_bytes`.

    Raises OSError for anything else: reading a pipe would block, a device would never end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError as error:  # a null byte in the path
        raise OSError(errno.EINVAL, str(error), repr(path)) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        # One byte more than expected, since the file may grow.
        content = b"" if status.st_size > most_bytes else file.read(status.st_size + 1)
    if max(status.st_size, len(content)) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes} bytes", str(path))
    return content


def read_text(path: Union[str, Path], most_bytes: int) -> str:
    """The text of a UTF-8 file, with or without byte order mark; also raises UnicodeDecodeError."""
    return read_regular(path, most_bytes).decode("utf-8-sig")


def sha256(path: Union[str, Path]) -> str:
    """Hex digest of a file's content."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()
