"""Recordings that paths, patterns, folders, manifests and URLs name, and local copies of remote ones."""

from __future__ import annotations

import csv
import hashlib
import os
import posixpath
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple, Union
from urllib.parse import urlsplit

from opendr_har_core.errors import ConfigError, DataError, ResourceError

# As `media.video.SUFFIXES`, which loads NumPy.
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg")
# Results of `infer` next to the videos are not inputs.
ANNOTATED = ".annotated.mp4"
BAGS = (".db3", ".mcap")
# What opens a bag knows it, to say how to convert it.
ROS1_BAG = ".bag"
BAG_FACTS = "metadata.yaml"
MANIFEST, PATH = ".csv", "path"
# Of the folders with copies in the one for temporary files.
COPIES = "opendr-har-copy-"
# What file systems call the version of a file, best first.
VERSIONS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated")


@dataclass(frozen=True)
class Source:
    """A recording as it was found.

    Attributes:
        uri: absolute path or URL of the file, or of a bag's folder; its name in tables.
        size: bytes, of a bag those of all its files.
        version: time of the last change or entity tag, of a bag a digest of those of its files.
    """

    uri: str
    size: int = 0
    version: str = ""

    @property
    def key(self) -> str:
        """Hex digest of `uri`, for file names."""
        return _digest(self.uri)


def is_bag(path: Path) -> bool:
    """Whether a path names a bag, a folder or its one file, also one of ROS 1, which `open_bag` refuses."""
    return path.suffix.lower() in (*BAGS, ROS1_BAG) or (path / BAG_FACTS).is_file()


def find_sources(arguments: Sequence[str]) -> List[Source]:
    """All recordings that the arguments name, each once and in order; local files or what fsspec opens.

    A folder names the videos and bags in it and below it; a pattern its matches; a CSV with a column `path` a
    recording, folder or pattern per line, relative to the CSV, and whatever a line names is labelled or fails later.
    Raises DataError for an argument that names nothing, ConfigError for an unusable URL.
    """
    found: Dict[str, Source] = {}
    for argument in arguments:
        if argument.lower().endswith(MANIFEST):
            lines = _manifest(argument)
            sources = [source for line in lines for source in _sources(line) or [Source(line)]]
        else:
            sources = _sources(argument)
        if not sources:
            kinds = f"videos (*{', *'.join(VIDEOS)}) and bags"
            raise DataError(f"{argument} names no recording; expected a file, a pattern, or a folder with {kinds}")
        for source in sources:
            found.setdefault(source.uri, source)
    return list(found.values())


@contextmanager
def local_copy(source: Source) -> Iterator[Path]:
    """Yield a path of the recording; a remote one is copied to a temporary folder, and removed afterwards.

    Raises ResourceError if there is no room for it, and what its file system raises.
    """
    files, path = open_files(source.uri)
    if _is_local(files):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix=COPIES) as folder, _locked(folder):
        free = shutil.disk_usage(folder).free
        if source.size > free:
            need, room = (round(count / 1e6) for count in (source.size, free))
            raise ResourceError(f"{folder} has {room} MB free, {source.uri} needs {need} MB; set TMPDIR")
        target = Path(folder) / (posixpath.basename(path.rstrip("/")) or "recording")
        files.get(path, str(target), recursive=True)
        yield target


def remove_left_copies() -> None:
    """Remove what killed processes of this machine have left in the folder for temporary files."""
    for left in Path(tempfile.gettempdir()).glob(f"{COPIES}*"):
        # The kernel releases the lock of a process that dies. An empty folder may be one that is about to be locked.
        with suppress(OSError), _locked(left, alone=True):
            if any(left.iterdir()):
                shutil.rmtree(left)


@contextmanager
def _locked(folder: Union[str, Path], alone: bool = False) -> Iterator[None]:
    """Hold a lock that others share, or `alone`, which raises OSError while others hold it."""
    import fcntl  # missing on Windows, where the other functions work

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def open_files(uri: str) -> Tuple[Any, str]:
    """(fsspec file system, path in it) of a path or URL; raises ConfigError."""
    from fsspec.core import url_to_fs

    if "://" in uri and urlsplit(uri).password is not None:
        raise ConfigError("a URL must not contain a password, since URLs are stored with labels; use the environment")
    try:
        files, path = url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{uri} can't be opened: {error}") from None
    return files, str(path)


def _is_local(files: Any) -> bool:
    return "file" in (files.protocol if isinstance(files.protocol, tuple) else (files.protocol,))


def _sources(argument: str) -> List[Source]:
    """The recordings of a file, folder or pattern; [] if there are none."""
    files, path = open_files(argument)
    try:
        if files.isdir(path):
            return list(_below(files, path))
        if files.exists(path):
            return [_source(files, [files.info(path)], path)]
        matches = sorted(files.glob(path, detail=True).items()) if set(path) & set("*?[") else []
        shown = [(name, facts) for name, facts in matches if _hidden_parts(name) <= _hidden_parts(path)]
        found: List[Source] = []
        for name, facts in shown:
            if facts["type"] == "directory" or (facts.get("islink") and files.isdir(name)):
                found += _below(files, name)
            elif not name.endswith(ANNOTATED):
                found.append(_source(files, [facts], name))
    except Exception as error:  # each file system has its own
        raise DataError(f"{argument} can't be listed: {type(error).__name__}: {error}") from None
    return found


def _below(files: Any, folder: str) -> Iterator[Source]:
    """The videos and bags in a folder and below it, sorted; those in hidden folders are left out."""
    entries: Dict[str, Mapping[str, Any]] = files.find(folder, detail=True)
    by_folder: Dict[str, List[str]] = {}
    for name in sorted(entries):
        if not _hidden_parts(name[len(folder) :]) and not name.endswith(ANNOTATED):
            by_folder.setdefault(posixpath.dirname(name), []).append(name)
    for parent, names in by_folder.items():
        within = [entries[name] for name in names]
        has_bag = any(posixpath.basename(name) == BAG_FACTS for name in names) and any(
            ending in posixpath.basename(name) for name in names for ending in BAGS
        )
        if has_bag:
            yield _source(files, within, parent)
        endings = VIDEOS if has_bag else (*VIDEOS, *BAGS)
        for name, facts in zip(names, within):
            if name.lower().endswith(endings):
                yield _source(files, [facts], name)


def _hidden_parts(path: str) -> int:
    return sum(part.startswith(".") for part in path.split("/"))


def _source(files: Any, facts: Sequence[Mapping[str, Any]], path: str) -> Source:
    uri = path if _is_local(files) else str(files.unstrip_protocol(path))
    facts = [files.info(item["name"]) if item.get("islink") else item for item in facts]  # of what the link leads to
    versions = [str(next((item[name] for name in VERSIONS if item.get(name)), "")) for item in facts]
    version = versions[0] if len(versions) == 1 else _digest("|".join(versions))
    return Source(uri, sum(item.get("size") or 0 for item in facts), version)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _manifest(argument: str) -> List[str]:
    """The paths in a CSV, as paths from here."""
    files, path = open_files(argument)
    try:
        with files.open(path, "r", encoding="utf-8-sig", newline="") as file:
            lines = [line.get(PATH) for line in csv.DictReader(file, skipinitialspace=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"can't read the manifest {argument}: {error}") from None
    if not lines or None in lines:
        raise DataError(f"{argument} has no column {PATH!r} with a recording in each line")
    folder = argument.rpartition("/")[0]
    return [line if "://" in line or line.startswith("/") else posixpath.join(folder, line) for line in lines if line]
