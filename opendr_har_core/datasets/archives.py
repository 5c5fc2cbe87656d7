"""Safe unpacking of downloaded zip archives."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from pathlib import Path
from typing import List, Union

from opendr_har_core.errors import DownloadError

MAX_FILES = 100_000
MAX_BYTES = 32 << 30


def unpack_zip(
    archive: Union[str, Path], target: Union[str, Path], max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES
) -> List[str]:
    """Unpack a zip archive into the folder `target`, completely or not at all; returns the names of the new entries.

    Raises DownloadError for a damaged or encrypted archive, one of more than `max_bytes` unpacked or `max_files`
    entries, one with links or with paths outside of the target, and for a name that exists in the target.
    """
    archive, target = Path(archive), Path(target)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking.", dir=target) as aside:
        try:
            with zipfile.ZipFile(archive) as file:
                _check(file, archive, max_bytes, max_files)
                file.extractall(aside)  # reads no more of an entry than the size that it announces
        except DownloadError:
            raise
        except Exception as error:  # the decompressors raise errors of their own
            raise DownloadError(f"{archive} can't be unpacked into {target}: {repr(error)[:300]}") from None
        entries = list(Path(aside).iterdir())
        taken = [entry.name for entry in entries if (target / entry.name).exists()]
        if taken:
            raise DownloadError(f"{target} contains {taken} already; remove them or choose another folder")
        for entry in entries:
            entry.replace(target / entry.name)
    return [entry.name for entry in entries]


def _check(file: zipfile.ZipFile, archive: Path, max_bytes: int, max_files: int) -> None:
    entries = file.infolist()
    size = sum(entry.file_size for entry in entries)
    if len(entries) > max_files or size > max_bytes:
        raise DownloadError(
            f"{archive} has {len(entries)} files of {size} bytes, over the limits of {max_files} and {max_bytes}"
        )
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or ":" in name or not name.strip("/."):
            raise DownloadError(f"{archive} is not safe: {entry.filename!r} lies outside of the folder")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DownloadError(f"{archive} is not safe: {entry.filename!r} is a link or a device, not a file")
