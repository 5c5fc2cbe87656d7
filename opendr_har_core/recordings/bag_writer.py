"""Writes a rosbag2 atomically."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Literal

from opendr_har_core.errors import ConfigError, DataError, HarError
from opendr_har_core.storage.atomic import flush

if TYPE_CHECKING:
    from rosbags.rosbag2 import Writer

MCAP, SQLITE3 = "mcap", "sqlite3"
# Jazzy changed how metadata.yaml stores quality of service; older readers only know the form before.
Version = Literal[8, 9]
LATEST_VERSION: Version = 9
VERSION_BEFORE_JAZZY: Version = 8


def storage_of(path: Path) -> str:
    """Storage of an existing bag, a folder or its one file: MCAP or SQLITE3."""
    names = [path.name] if path.is_file() else [file.name for file in path.iterdir()]
    return MCAP if any(".mcap" in name for name in names) else SQLITE3


@contextmanager
def new_bag(path: Path, storage: str, version: Version) -> Iterator[Writer]:
    """Yield a writer of a bag that becomes `path` at the end; an error or an interruption removes it.

    Raises ConfigError when `path` exists, DataError when it can't be written.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    check_is_new(path)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise DataError(f"the bag {path} can't be written: {error}") from None
    try:
        # The files in a bag are named after it: write it under its own name, in a folder next to it.
        unfinished = folder / path.name
        with Writer(unfinished, version=version, storage_plugin=StoragePlugin[storage.upper()]) as writer:
            yield writer
        _publish(unfinished, path)
    except HarError:
        raise
    except Exception as error:  # each storage reports a full disk in its own way
        raise DataError(f"the bag {path} can't be written: {type(error).__name__}: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_is_new(path: Path) -> None:
    """Raise ConfigError when `path` exists."""
    if path.exists():
        raise ConfigError(f"{path} exists and is not overwritten; remove it or give another --output")


def _publish(unfinished: Path, path: Path) -> None:
    for file in unfinished.iterdir():
        flush(file)
    flush(unfinished)
    check_is_new(path)  # rename would silently replace an empty folder
    unfinished.rename(path)
    flush(path.parent)
