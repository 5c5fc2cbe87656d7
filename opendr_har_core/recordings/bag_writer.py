"""Writing a rosbag2 so that it appears whole or not at all."""

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
# Jazzy changed how a bag's index writes down qualities of service; older readers know the form before only.
Version = Literal[8, 9]
LATEST_VERSION: Version = 9
VERSION_BEFORE_JAZZY: Version = 8


def storage_of(path: Path) -> str:
    """MCAP or SQLITE3: how an existing bag, a folder or its one file, is stored."""
    names = [path.name] if path.is_file() else [file.name for file in path.iterdir()]
    return MCAP if any(".mcap" in name for name in names) else SQLITE3


@contextmanager
def new_bag(path: Path, storage: str, version: Version) -> Iterator[Writer]:
    """A writer of a bag that becomes `path` at the end; on an error or an interruption nothing of it stays.

    Raises ConfigError when `path` is there already, DataError when it can't be written.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    check_is_new(path)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise DataError(f"the bag {path} can't be written: {error}") from None
    try:
        # The files in a bag are named after it: it is written under its own name, in a folder beside.
        unfinished = folder / path.name
        with Writer(unfinished, version=version, storage_plugin=StoragePlugin[storage.upper()]) as writer:
            yield writer
        _publish(unfinished, path)
    except HarError:
        raise
    except Exception as error:  # a full disk is an error of its own kind in each storage
        raise DataError(f"the bag {path} can't be written: {type(error).__name__}: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_is_new(path: Path) -> None:
    """Raise ConfigError when there is something at `path` that writing would destroy."""
    if path.exists():
        raise ConfigError(f"{path} is there already and is not overwritten; remove it or give another --output")


def _publish(unfinished: Path, path: Path) -> None:
    for file in unfinished.iterdir():
        flush(file)
    flush(unfinished)
    check_is_new(path)  # a folder would be replaced without a word where it is empty
    unfinished.rename(path)
    flush(path.parent)
