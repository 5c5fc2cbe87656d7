"""Expands files, folders and patterns to videos, and names their results."""

from __future__ import annotations

import glob
from collections import Counter
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from opendr_har_core.cli.options import VIDEOS
from opendr_har_core.errors import DataError

# Results next to the videos are not inputs.
ANNOTATED = ".annotated.mp4"
PATTERN = "*?["

Missing = Tuple[str, DataError]


def videos_of(arguments: Sequence[str]) -> Tuple[List[Path], List[Missing]]:
    """The video files that the arguments name, each once and in order, and the arguments that name none.

    A folder names all videos in it and below it, sorted; a pattern, if there is no file of that name, its matches.
    """
    found: Dict[Path, Path] = {}
    missing: List[Missing] = []
    for argument in arguments:
        try:
            for path in _files(argument):
                found.setdefault(path.absolute(), path)
        except DataError as error:
            missing.append((argument, error))
    return list(found.values()), missing


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


def _files(argument: str) -> List[Path]:
    path = Path(argument)
    if path.is_dir():
        found = sorted(entry for entry in path.rglob("*") if _is_video(entry.relative_to(path)) and entry.is_file())
        if not found:
            raise DataError(f"the folder {path} has no videos, expected files such as *.{', *.'.join(VIDEOS)}")
        return found
    if path.exists() or not any(letter in argument for letter in PATTERN):
        return [path]  # reading reports what is wrong with it
    matches = sorted(Path(name) for name in glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    found = [match for match in matches if match.is_file() and not match.name.endswith(ANNOTATED)]
    if not found:
        raise DataError(f"no file matches {argument!r}")
    return found


def _is_video(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower()[1:] in VIDEOS and not is_hidden and not path.name.endswith(ANNOTATED)
