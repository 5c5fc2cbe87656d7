"""Downloads of the published X3D weights: resumed, verified, and written atomically."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path
from typing import IO, Callable, Optional, Union

from opendr_har_core.errors import ConfigError, DownloadError, HarError

WEIGHTS_URL = "https://dl.fbaipublicfiles.com/pyslowfast/x3d_models/x3d_{size}.pyth"
SIZES = ("xs", "s", "m", "l")
CHUNK = 1 << 16
# An endless response must not fill the disk: data sets, and weights, of which the largest have 50 MB.
MOST_BYTES, MOST_WEIGHT_BYTES = 64 << 30, 1 << 30
RANGE_NOT_SATISFIABLE, SERVER_ERRORS = 416, 500
# (bytes done, bytes in all; None if unknown)
Progress = Callable[[int, Optional[int]], None]
Check = Callable[[Path], None]


def download_weights(
    size: str,
    folder: Union[str, Path],
    progress: Optional[Progress] = None,
    url: str = WEIGHTS_URL,
    check: Optional[Check] = None,
) -> Path:
    """Fetch the Kinetics-400 weights of X3D-`size` to `folder`/x3d_`size`.pyth and return that path.

    The content is verified: archives have checksums, and `check`, if given, raises a HarError for other weights. An
    existing file that passes is kept. Raises ConfigError for another size than xs, s, m and l, DownloadError for a file
    that can't be fetched whole.
    """
    if size not in SIZES:
        raise ConfigError(f"no published weights for the size {size!r}, expected one of {SIZES}")
    target = Path(folder) / f"x3d_{size}.pyth"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or _damage(target, check):
            fetch(url.replace("{size}", size), target, progress, check=check, most_bytes=MOST_WEIGHT_BYTES)
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
    """Fetch `url` to `target` by way of `<target>.part`, from which an interrupted download resumes.

    A connection that is silent for `timeout_sec` is dropped and resumed, with `attempts` in all. Raises DownloadError,
    also for more than `most_bytes`, of which nothing is kept.
    """
    part = target.with_name(target.name + ".part")
    for attempt in range(attempts):
        try:
            _resume(url, part, progress, timeout_sec, most_bytes)
            break
        except urllib.error.HTTPError as error:
            if error.code < SERVER_ERRORS:
                raise DownloadError(f"{url} can't be fetched: the server answers {error.code} {error.reason}") from None
            failure: Exception = error
        except (OSError, HTTPException) as error:
            failure = error
        if attempt + 1 == attempts:
            raise DownloadError(f"{url} can't be fetched after {attempts} attempts: {failure}; try again to resume")
        time.sleep(min(0.1 * 2**attempt, 5.0))
    damage = _damage(part, check)
    if damage:
        part.unlink()
        raise DownloadError(f"the file from {url} is damaged ({damage}); it was removed, try again")
    part.replace(target)


def _resume(url: str, part: Path, progress: Optional[Progress], timeout_sec: float, most_bytes: int) -> None:
    """Fetch the rest; raises ConnectionError when the connection ends before the announced size."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout_sec)
    except urllib.error.HTTPError as error:
        if error.code != RANGE_NOT_SATISFIABLE:
            raise
        if (error.headers.get("Content-Range") or "").rpartition("/")[2] == str(have):
            return  # all of it is there
        part.unlink()
        raise ConnectionError("the file on the server has changed") from None
    with response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length") or ""
        total = have + int(length) if length.isdigit() else None
        with part.open("ab" if have else "wb") as file:
            for chunk in iter(lambda: response.read(CHUNK), b""):
                have += len(chunk)
                if max(have, total or 0) > most_bytes:
                    part.unlink()
                    raise DownloadError(f"{url} is larger than {most_bytes} bytes; it is not the expected file")
                _write(file, chunk, part)
                if progress:
                    progress(have, total)
            os.fsync(file.fileno())
    if total is not None and have != total:
        raise ConnectionError(f"got {have} of {total} bytes")


def _write(file: IO[bytes], chunk: bytes, part: Path) -> None:
    """Unlike a lost connection, a full disk is not tried again."""
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise DownloadError(f"{part} can't be written: {error}; make room and try again to resume") from None


def _damage(path: Path, check: Optional[Check]) -> Optional[str]:
    """What is wrong with a weight file: a zip archive with checksums, or an older torch file."""
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
