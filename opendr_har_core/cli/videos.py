"""Videos that arguments name, and the files of results for each."""

from __future__ import annotations

import glob
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, List, Optional, Sequence, Tuple

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.recordings.sources import ANNOTATED, VIDEOS

if TYPE_CHECKING:
    from opendr_har_core.recordings.label_video import AnnotatedCopy
    from opendr_har_core.recordings.video_labels import AnyLabels

VIDEO, TIMELINE, CSV, SCORES, JSON = "video", "timeline", "csv", "scores", "json"
ENDINGS = {
    VIDEO: ANNOTATED,
    TIMELINE: ".timeline.png",
    CSV: ".labels.csv",
    SCORES: ".scores.csv",
    JSON: ".labels.json",
}
KINDS = tuple(ENDINGS)


def videos_of(arguments: Sequence[str]) -> Tuple[List[Path], List[Tuple[str, DataError]]]:
    """The video files that the arguments name, each once and in order, and the arguments that name none.

    A folder names all videos in it and below it, sorted; a pattern, if there is no file of that name, its matches.
    """
    found: Dict[Path, Path] = {}
    missing: List[Tuple[str, DataError]] = []
    for argument in arguments:
        try:
            for path in _files(argument):
                found.setdefault(path.absolute(), path)
        except DataError as error:
            missing.append((argument, error))
    return list(found.values()), missing


def _files(argument: str) -> List[Path]:
    path = Path(argument)
    if path.is_dir():
        found = sorted(entry for entry in path.rglob("*") if _is_video(entry.relative_to(path)) and entry.is_file())
        if not found:
            raise DataError(f"the folder {path} has no videos, expected files such as *{', *'.join(VIDEOS)}")
        return found
    if path.exists() or not glob.has_magic(argument):
        return [path]  # reading reports what is wrong with it
    matches = sorted(Path(name) for name in glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    found = [match for match in matches if match.is_file() and not match.name.endswith(ANNOTATED)]
    if not found:
        raise DataError(f"no file matches {argument!r}")
    return found


def _is_video(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in VIDEOS and not is_hidden and not path.name.endswith(ANNOTATED)


def names_for(paths: Sequence[Path]) -> List[str]:
    """A different name for each file, ignoring case: its own, if needed with its folder's name and a number."""
    counts = Counter(path.stem.casefold() for path in paths)
    names: Dict[str, str] = {}
    for path in paths:
        is_unique = counts[path.stem.casefold()] == 1
        name = base = path.stem if is_unique else f"{path.absolute().parent.name}-{path.stem}"
        number = 1
        while name.casefold() in names:
            number += 1
            name = f"{base}-{number}"
        names[name.casefold()] = name
    return list(names.values())


class OutputFiles:
    """The results of each video in a folder."""

    def __init__(self, folder: str, videos: Sequence[Path], kinds: Sequence[str], overwrite: bool) -> None:
        """Create the folder; raises ConfigError if that fails or a file would be overwritten."""
        self._folder, self._kinds = Path(folder), tuple(kinds)
        self._names = dict(zip(videos, names_for(videos)))
        existing = [path for video in videos for path in self._paths(video).values() if path.exists()]
        if existing and not overwrite:
            more = f" and {len(existing) - 1} more exist" if len(existing) > 1 else " exists"
            raise ConfigError(f"{existing[0]}{more}; give --overwrite or another --output")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the folder {folder} can't be created: {error}") from None

    def copy(self, video: Path) -> ContextManager[Optional[AnnotatedCopy]]:
        """The annotated video to fill while labelling, or None if it is not wanted."""
        if VIDEO not in self._kinds:
            return nullcontext()
        from opendr_har_core.recordings.label_video import annotated_copy

        return annotated_copy(self._paths(video)[VIDEO])

    def write(self, labels: AnyLabels) -> Dict[str, str]:
        """Write the other results atomically; returns all paths by kind."""
        from opendr_har_core.recordings.timeline import write_timeline

        writers: Dict[str, Callable[[Path], Any]] = {
            TIMELINE: lambda path: write_timeline(labels, path),
            CSV: labels.write_segments,
            SCORES: labels.write_scores,
            JSON: labels.write_json,
        }
        paths = self._paths(labels.path)
        for kind in (kind for kind in self._kinds if kind in writers):
            writers[kind](paths[kind])
        return {kind: str(path) for kind, path in paths.items()}

    def _paths(self, video: Path) -> Dict[str, Path]:
        return {kind: self._folder / f"{self._names[video]}{ENDINGS[kind]}" for kind in self._kinds}
