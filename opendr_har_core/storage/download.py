"""Fetching the published X3D weights: resumable, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Callable, Optional, Union

from opendr_har_core.errors import ConfigError, DownloadError, HarError
from opendr_har_core.storage.atomic import atomic_path

WEIGHTS_URL = "https://dl.fbaipublicfiles.com/pyslowfast/x3d_models/x3d_{size}.pyth"
SIZES = ("xs", "s", "m", "l")
CHUNK = 1 << 16
# A server that never ends must not fill the disk: data sets, and weights, of which the largest have 50 MB.
MOST_BYTES, MOST_WEIGHT_BYTES = 64 << 30, 1 << 30
Progress = Callable[[int, Optional[int]], None]
Check = Callable[[Path], None]


def download_weights(
    size: str,
    folder: Union[str, Path],
    progress: Optional[Progress] = None,
    url: str = WEIGHTS_URL,
    check: Optional[Check] = None,
) -> Path:
    """Fetch the official Kinetics-400 weights of X3D-`size` as `folder`/x3d_`size`.pyth and return that path.

    Content is verified, by `check` as well where one is given (it raises a HarError), and its sha256 is recorded beside
    it. A file that is there already is kept when it is what was recorded, or passes and is recorded now; otherwise it
    is fetched anew. Raises ConfigError for another size than xs, s, m or l, DownloadError when the file can't be had
    whole, or is another one than the first time.
    """
    if size not in SIZES:
        raise ConfigError(f"no official weights for the size {size!r}, expected one of {SIZES}")
    target = Path(folder) / f"x3d_{size}.pyth"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _is_good(target, check):
            fetch(url.replace("{size}", size), target, progress, check=check, most_bytes=MOST_WEIGHT_BYTES)
            _record(target)
    except OSError as error:
        raise DownloadError(f"{target} can't be read or written: {error}") from None
    return target


def fetch(
    url: str,
    target: Path,
    progress: Optional[Progress] = None,
    timeout_sec: float = 30.0,
    attempts: int = 5,
    check: Optional[Check] = None,
    most_bytes: int = MOST_BYTES,
) -> None:
    """Fetch `url` to `target` over `<target>.part`, which an interrupted download leaves behind to go on from.

    `progress` is called with the bytes so far and, where known, the size. The connection is given up after
    `timeout_sec` of silence and taken up again, `attempts` times in all. Raises DownloadError, also for more than
    `most_bytes`, of which nothing is kept.
    """
    part = target.with_name(target.name + ".part")
    for attempt in range(attempts):
        try:
            _resume(url, part, progress, timeout_sec, most_bytes)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise DownloadError(f"{url} can't be fetched: the server says {error.code} {error.reason}") from None
            failure: Exception = error
        except (OSError, HTTPException, _IncompleteError) as error:
            failure = error
        if attempt + 1 == attempts:
            raise DownloadError(f"{url} can't be fetched after {attempts} attempts: {failure}; try again to go on")
        time.sleep(min(0.1 * 2**attempt, 5.0))
    damage = _damage(part, check) or _other_than_recorded(part, target)
    if damage:
        part.unlink()
        raise DownloadError(f"what came from {url} is damaged ({damage}); it was removed, try again")
    part.replace(target)


class _IncompleteError(Exception):
    """The connection ended before the announced size."""


def _resume(url: str, part: Path, progress: Optional[Progress], timeout_sec: float, most_bytes: int) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout_sec)
    except urllib.error.HTTPError as error:
        if error.code == 416 and _size_after_slash(error.headers.get("Content-Range")) == have:
            return
        if error.code == 416:  # what we have is longer than, or no longer a part of, what is there now
            part.unlink()
            raise _IncompleteError("the file on the server has changed") from None
        raise
    with response:
        if response.status != 206:
            have = 0
        total = _total(response, have)
        with part.open("ab" if have else "wb") as file:
            for chunk in iter(lambda: response.read(CHUNK), b""):
                have += len(chunk)
                if max(have, total or 0) > most_bytes:
                    part.unlink()
                    raise DownloadError(f"{url} is larger than {most_bytes} bytes; it is not what was expected")
                _write(file, chunk, part)
                if progress:
                    progress(have, total)
            _write(file, b"", part)
            os.fsync(file.fileno())
    if total is not None and have != total:
        raise _IncompleteError(f"got {have} of {total} bytes")


def _write(file: IO[bytes], chunk: bytes, part: Path) -> None:
    """Trying again does not help against a full disk, as it does against a lost connection."""
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise DownloadError(f"{part} can't be written: {error}; make room and try again to go on") from None


def _total(response: HTTPResponse, offset: int) -> Optional[int]:
    length = response.headers.get("Content-Length")
    return offset + int(length) if length and length.isdigit() else None


def _size_after_slash(content_range: Optional[str]) -> Optional[int]:
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _is_good(target: Path, check: Optional[Check]) -> bool:
    """Whether the file is there and is what was recorded; without a record it is verified, and recorded."""
    if not target.is_file():
        return False
    recorded = _recorded(target)
    if recorded is not None:
        return recorded == _sha256(target)
    if _damage(target, check):
        return False
    _record(target)
    return True


def _damage(path: Path, check: Optional[Check]) -> Optional[str]:
    """What is wrong with a weight file: a zip archive with a checksum for each member, or an older torch file."""
    with path.open("rb") as file:
        head = file.read(2)
    if head == b"PK":
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
        except (zipfile.BadZipFile, EOFError) as error:
            damaged = str(error)
    else:
        damaged = None if head == b"\x80\x02" else "not a weight file"
    if damaged is None and check is not None:
        try:
            check(path)
        except HarError as error:
            return str(error)
    return damaged


def _other_than_recorded(part: Path, target: Path) -> Optional[str]:
    recorded = _recorded(target)
    if recorded is None or recorded == _sha256(part):
        return None
    record = _record_path(target)
    return f"its sha256 is not {recorded}, as {record} has it; remove that record if the official file was renewed"


def _record_path(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _recorded(target: Path) -> Optional[str]:
    path = _record_path(target)
    words = path.read_text(encoding="ascii", errors="replace").split() if path.is_file() else []
    return words[0] if words else None


def _record(target: Path) -> None:
    """Beside the file, as the command sha256sum checks it."""
    with atomic_path(_record_path(target)) as temporary:
        temporary.write_text(f"{_sha256(target)}  {target.name}\n", encoding="ascii")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()
