"""Unpacking archives from the internet: only plain files, only below the target, only so much."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import List, Union

from opendr_har_core.errors import DownloadError

MAX_FILES = 100_000
MAX_BYTES = 32 << 30
CHUNK = 1 << 20


def unpack_zip(
    archive: Union[str, Path], target: Union[str, Path], max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES
) -> List[str]:
    """Unpack all of a zip archive into the folder `target`, or nothing; returns the names of what is new there.

    Raises DownloadError for a damaged archive, one that is larger than `max_bytes` unpacked, whatever it announces, or
    that has more than `max_files` entries, names outside of the target, links or encrypted files, and for a name that
    is in the target already.
    """
    archive, target = Path(archive), Path(target)
    target.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".unpacking.", dir=target))
    try:
        with zipfile.ZipFile(archive) as file:
            _unpack(file, _checked(file, archive, max_bytes, max_files), aside, max_bytes)
        return _move_into(aside, target)
    except DownloadError:
        raise
    except Exception as error:  # each of the three decompressors has errors of its own
        raise DownloadError(f"{archive} can't be unpacked into {target}: {repr(error)[:300]}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _checked(file: zipfile.ZipFile, archive: Path, max_bytes: int, max_files: int) -> List[zipfile.ZipInfo]:
    entries = file.infolist()
    announced = sum(entry.file_size for entry in entries)
    if len(entries) > max_files or announced > max_bytes:
        raise DownloadError(
            f"{archive} has {len(entries)} files of {announced} bytes, over the limits of {max_files} and {max_bytes}"
        )
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename or not path.parts:
            raise DownloadError(f"{archive} is not safe: {entry.filename!r} would be put outside of the folder")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DownloadError(f"{archive} is not safe: {entry.filename!r} is a link or a device, not a file")
        if entry.flag_bits & 1:
            raise DownloadError(f"{archive} is encrypted ({entry.filename!r}), which is not expected")
    return entries


def _unpack(file: zipfile.ZipFile, entries: List[zipfile.ZipInfo], folder: Path, max_bytes: int) -> None:
    written = 0
    for entry in entries:
        path = folder.joinpath(*PurePosixPath(entry.filename.replace("\\", "/")).parts)
        if entry.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with file.open(entry) as source, path.open("xb") as sink:
            for chunk in iter(lambda: source.read(CHUNK), b""):
                written += len(chunk)
                if written > max_bytes:
                    raise DownloadError(f"{file.filename} is larger than it announces and than {max_bytes} bytes")
                sink.write(chunk)


def _move_into(aside: Path, target: Path) -> List[str]:
    entries = list(aside.iterdir())
    taken = [entry.name for entry in entries if (target / entry.name).exists()]
    if taken:
        raise DownloadError(f"{target} has {taken} in it already; remove them or choose another folder")
    for entry in entries:
        entry.replace(target / entry.name)
    return [entry.name for entry in entries]
