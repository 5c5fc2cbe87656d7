"""Fetching the published X3D weights: resumable, verified, whole or not at all."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Callable, Optional, Union

from opendr_har_core.errors import ConfigError, DownloadError

WEIGHTS_URL = "https://dl.fbaipublicfiles.com/pyslowfast/x3d_models/x3d_{size}.pyth"
SIZES = ("xs", "s", "m", "l")
CHUNK = 1 << 16
Progress = Callable[[int, Optional[int]], None]


def download_weights(
    size: str, folder: Union[str, Path], progress: Optional[Progress] = None, url: str = WEIGHTS_URL
) -> Path:
    """Fetch the official Kinetics-400 weights of X3D-`size` as `folder`/x3d_`size`.pyth and return that path.

    A file that is there already was verified when it came and is kept. Raises ConfigError for another size than
    xs, s, m or l, DownloadError when the file can't be had whole.
    """
    if size not in SIZES:
        raise ConfigError(f"no official weights for the size {size!r}, expected one of {SIZES}")
    target = Path(folder) / f"x3d_{size}.pyth"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        fetch(url.format(size=size), target, progress)
    return target


def fetch(
    url: str, target: Path, progress: Optional[Progress] = None, timeout_sec: float = 30.0, attempts: int = 5
) -> None:
    """Fetch `url` to `target` over `<target>.part`, which an interrupted download leaves behind to go on from.

    `progress` is called with the bytes so far and, where known, the size. The connection is given up after
    `timeout_sec` of silence and taken up again, `attempts` times in all. Raises DownloadError.
    """
    part = target.with_name(target.name + ".part")
    for attempt in range(attempts):
        try:
            _resume(url, part, progress, timeout_sec)
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
    _verify(part, url)
    part.replace(target)


class _IncompleteError(Exception):
    """The connection ended before the announced size."""


def _resume(url: str, part: Path, progress: Optional[Progress], timeout_sec: float) -> None:
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
                file.write(chunk)
                have += len(chunk)
                if progress:
                    progress(have, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and have != total:
        raise _IncompleteError(f"got {have} of {total} bytes")


def _total(response: HTTPResponse, offset: int) -> Optional[int]:
    length = response.headers.get("Content-Length")
    return offset + int(length) if length and length.isdigit() else None


def _size_after_slash(content_range: Optional[str]) -> Optional[int]:
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _verify(part: Path, url: str) -> None:
    """A weight file is a zip archive with a checksum for each member (torch) or an older torch file."""
    with part.open("rb") as file:
        head = file.read(2)
    if head == b"PK":
        try:
            with zipfile.ZipFile(part) as archive:
                damaged = archive.testzip()
        except zipfile.BadZipFile as error:
            damaged = str(error)
    else:
        damaged = None if head == b"\x80\x02" else "not a weight file"
    if damaged:
        part.unlink()
        raise DownloadError(f"what came from {url} is damaged ({damaged}); it was removed, try again")
