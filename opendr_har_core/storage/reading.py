"""Reading only as much of a file as one is prepared for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Union


def read_regular(path: Union[str, Path], most_bytes: int) -> bytes:
    """The content of a plain file of at most `most_bytes`.

    Raises OSError for anything else: a pipe would keep its reader waiting, a device would never end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, str(error), repr(path)) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        # One byte more than there should be, since a file may grow.
        content = b"" if status.st_size > most_bytes else file.read(status.st_size + 1)
    if max(status.st_size, len(content)) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes} bytes", str(path))
    return content


def read_text(path: Union[str, Path], most_bytes: int) -> str:
    """The text of such a file in UTF-8, with or without a byte order mark; also raises UnicodeDecodeError."""
    return read_regular(path, most_bytes).decode("utf-8-sig")
