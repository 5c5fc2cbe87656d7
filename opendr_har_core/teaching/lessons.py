"""A folder of lessons: examples of each activity, as features, and as clips that form a folder data set."""

from __future__ import annotations

import io
import json
import re
import secrets
import time
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union
from urllib.parse import unquote

import numpy as np

from opendr_har_core.errors import ConfigError, DataError, ResourceError, VideoError
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import SUFFIXES
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import MARK, atomic_path, remove_abandoned
from opendr_har_core.storage.reading import read_regular, read_text

FEATURES, CLIP, HEAD = ".npz", ".mp4", "head.json"
LARGEST_FILE = 64 << 20
LONGEST_NAME = 200  # bytes; file systems allow 255
# In the name of a folder; a label may contain them.
RESERVED = re.compile(r'[%/\\:*?"<>|]|^\.|[. ]$|^ ')


@dataclass(frozen=True)
class Example:
    """What a network makes of one showing.

    Attributes:
        features: float32 (n, F), a row for each prediction.
        stamp_ns: when it was shown, in nanoseconds since 1970.
        seconds: its length.
        thumbnail: a small picture, JPEG, or nothing.
    """

    features: np.ndarray
    stamp_ns: int
    seconds: float
    thumbnail: bytes = b""

    def __post_init__(self) -> None:
        rows = self.features
        if rows.dtype != np.float32 or rows.ndim != 2 or 0 in rows.shape or not np.isfinite(rows).all():
            raise DataError(f"features are {rows.dtype} {rows.shape}, expected finite float32 (n, F)")


@dataclass(frozen=True)
class Lesson:
    """An example in the folder.

    Attributes:
        label, id: of the example.
        files: those with its features, by the base whose they are.
        clip: the video, if there is one.
    """

    label: str
    id: str
    files: Dict[str, Path]
    clip: Optional[Path]

    def read(self, base: str = "") -> Example:
        """Its example for a base, or that of any; raises DataError if it can't be read."""
        path = self.files[base or next(iter(self.files))]
        try:
            return _read(path)
        except (OSError, DataError, *MALFORMED) as error:
            raise DataError(f"{path} can't be read: {error}; remove the file, or the lesson") from None


class Examples(NamedTuple):
    """The examples for a base by label, the ids of their lessons, and why others are not among them."""

    by_label: Dict[str, List[np.ndarray]]
    ids: List[str]
    problems: List[str]

    @property
    def counts(self) -> Dict[str, int]:
        """Number of examples by label."""
        return {label: len(examples) for label, examples in self.by_label.items()}


class Lessons:
    """Examples by label in `folder/LABEL/`: `.ID.BASE.npz` with features, and `ID.mp4`, the clip.

    A folder with a folder of videos for each label is one, too: each video is an example whose features are computed
    when they are needed. `opendr-har train` takes either. A base is the name of a network whose features differ from
    those of others. All changes are atomic: a lesson is complete or absent, whatever kills the process.
    """

    def __init__(self, folder: Union[str, Path]) -> None:
        """The folder may be missing; the first lesson creates it. Raises DataError if it can't be read."""
        self.folder = Path(folder)
        self._features: Dict[Tuple[str, str, str], np.ndarray] = {}  # those of the latest call of `examples`
        for path in (*self._label_folders(), self.folder):
            remove_abandoned(path)

    def list(self) -> List[Lesson]:
        """All lessons, sorted by label and, as they were shown, by id. Raises DataError for an unreadable folder."""
        found: List[Lesson] = []
        for folder in self._label_folders():
            with _reading(folder):
                found += _lessons_in(folder)
        return found

    def labels(self) -> List[str]:
        """Labels with lessons, sorted."""
        return list(dict.fromkeys(lesson.label for lesson in self.list()))

    def add(
        self, label: str, example: Example, base: str, write_clip: Optional[Callable[[Path], Any]] = None
    ) -> Tuple[Lesson, str]:
        """Store an example for a base; returns the lesson and why it has no clip, or "".

        `write_clip` writes a video to a path that ends in .mp4, atomically. Raises ConfigError for a label that can't
        be one, ResourceError if the example can't be stored, such as on a full disk; nothing is left of it then.
        """
        folder = self.folder / folder_of(label)
        id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(example.stamp_ns // NANOSECONDS))}-{secrets.token_hex(2)}"
        clip, reason = folder / f"{id}{CLIP}", ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if write_clip is not None:
                try:
                    write_clip(clip)
                except VideoError as error:
                    reason = str(error)
            path = self._store(folder, id, base, example)
        except OSError as error:
            with suppress(OSError):
                clip.unlink()
            _remove_if_empty(folder)
            raise ResourceError(
                f"the lesson can't be stored in {folder}: {error}; free some space or allow writing, and show it "
                f"again. All earlier lessons are kept"
            ) from None
        return Lesson(label, id, {base: path}, clip if clip.exists() else None), reason

    def remove(self, label: str, id: str = "") -> int:
        """Remove a lesson, or all of a label; returns how many. Raises DataError if there is none."""
        wanted = [lesson for lesson in self.list() if lesson.label == label and id in ("", lesson.id)]
        if not wanted:
            what = f"lesson {id!r} of {label!r}" if id else f"lesson of {label!r}"
            raise DataError(f"there is no {what}; the labels with lessons are {self.labels()}")
        try:
            for lesson in wanted:
                # The clip first: after a crash, a clip without features would be an example again.
                for path in [*([lesson.clip] if lesson.clip else []), *lesson.files.values()]:
                    path.unlink()
                    _remove_if_empty(path.parent)
        except OSError as error:
            raise ResourceError(f"a lesson of {label!r} can't be removed: {error}") from None
        return len(wanted)

    def examples(self, base: str, compute: Optional[Callable[[Path], Example]] = None, keep: bool = True) -> Examples:
        """The examples for a base; those of other bases are computed from their clips, and stored if `keep`.

        `compute` makes the example of a clip; it raises HarErrors.
        """
        found = Examples({}, [], [])
        known, self._features = self._features, {}
        for lesson in self.list():
            key = (lesson.label, lesson.id, base)
            try:
                features = known[key] if key in known else self._example(lesson, base, compute, keep).features
            except (DataError, OSError) as error:
                found.problems.append(str(error))
            else:
                self._features[key] = features
                found.by_label.setdefault(lesson.label, []).append(features)
                found.ids.append(f"{lesson.label}/{lesson.id}")
        return found

    def stored_head(self, key: str) -> Optional[str]:
        """The text of the head that was stored for a key, or None."""
        try:
            values = json.loads(read_text(self.folder / HEAD, LARGEST_FILE))
            return str(values["head"]) if values["key"] == key else None
        except (OSError, RecursionError, *MALFORMED):
            return None

    def store_head(self, key: str, text: str) -> None:
        """Keep a head, so that it need not be fitted again; without room for it, it is."""
        with suppress(OSError), atomic_path(self.folder / HEAD) as temporary:
            temporary.write_text(json.dumps({"key": key, "head": text}))

    def _example(self, lesson: Lesson, base: str, compute: Optional[Callable[[Path], Example]], keep: bool) -> Example:
        if base in lesson.files:
            return lesson.read(base)
        if lesson.clip is None or compute is None:
            raise DataError(
                f"the lesson {lesson.id} of {lesson.label!r} was shown to another model and has no clip: show it again"
            )
        example = compute(lesson.clip)
        if keep:
            with suppress(OSError):  # computed again the next time
                self._store(lesson.clip.parent, lesson.id, base, example)
        return example

    def _store(self, folder: Path, id: str, base: str, example: Example) -> Path:
        path = folder / f".{id}.{base}{FEATURES}"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                features=example.features,
                stamp_ns=example.stamp_ns,
                seconds=example.seconds,
                thumbnail=np.frombuffer(example.thumbnail, np.uint8),
            )
        return path

    def _label_folders(self) -> Sequence[Path]:
        with _reading(self.folder):
            if not self.folder.exists():
                return ()
            return sorted(path for path in self.folder.iterdir() if path.is_dir() and path.name[0] != ".")


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"the lessons in {folder} can't be read: {error}") from None


def label_of(folder: Path) -> str:
    """The label of a folder: its name, as `folder_of` writes it."""
    return unquote(folder.name)


def folder_of(label: str) -> str:
    """Name of a label's folder: the label itself where that is possible. Raises ConfigError for an unusable label."""
    try:
        LabelMap([label])
    except DataError as error:
        raise ConfigError(str(error)) from None
    name = RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", label)
    if len(name.encode()) > LONGEST_NAME:
        raise ConfigError(f"the label {label[:40]!r}... is longer than the {LONGEST_NAME} bytes of a folder's name")
    return name


MALFORMED = (EOFError, KeyError, MemoryError, TypeError, ValueError, OverflowError, zipfile.BadZipFile)


def _read(path: Path) -> Example:
    """Raises OSError, DataError or one of MALFORMED."""
    content = io.BytesIO(read_regular(path, LARGEST_FILE))
    with zipfile.ZipFile(content) as archive:
        if sum(item.file_size for item in archive.infolist()) > LARGEST_FILE:
            raise ValueError(f"it holds more than {LARGEST_FILE} bytes")
    with np.load(content, allow_pickle=False) as arrays:
        thumbnail = arrays["thumbnail"].astype(np.uint8).tobytes()
        return Example(arrays["features"], int(arrays["stamp_ns"]), float(arrays["seconds"]), thumbnail)


def _lessons_in(folder: Path) -> Iterator[Lesson]:
    files: Dict[str, Dict[str, Path]] = {}
    clips: Dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name[0] != "." and path.suffix.lower() in SUFFIXES:
            clips[path.stem if path.suffix == CLIP else path.name] = path  # one.mp4 and one.avi are two
        elif path.name[0] == "." and path.suffix == FEATURES and not path.stem.endswith(MARK):
            id, _, base = path.stem[1:].rpartition(".")
            if id:
                files.setdefault(id, {})[base] = path
    for id in sorted({*files, *clips}):
        yield Lesson(label_of(folder), id, files.get(id, {}), clips.get(id))


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not empty
        folder.rmdir()
