"""Looking at many video files at once, and remembering what was found."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from opendr_har_core.datasets.cache import ClipCache
from opendr_har_core.datasets.clips import file_fingerprint
from opendr_har_core.datasets.video_file import VideoFile, open_video
from opendr_har_core.errors import DataError, VideoError
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.storage.reading import read_text

# Opening a file waits for the disk or the network more than for the processor.
THREADS = 8
LARGEST_INDEX = 256 << 20
Found = Union[VideoFile, VideoError]


def open_videos(paths: Iterable[Path], cache: Optional[ClipCache] = None) -> List[Found]:
    """For each path its video, or the VideoError that says why there is none.

    With a cache only files that are new or have changed are looked at.
    """
    wanted = list(paths)
    known = _Known(cache, wanted)
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(known.look, wanted))
    known.save()
    return found


class _Known:
    """What was found before: usable files only, since a broken one may have been repaired."""

    def __init__(self, cache: Optional[ClipCache], paths: List[Path]) -> None:
        self._file: Optional[Path] = None
        self._before: Dict[str, Any] = {}
        self._now: Dict[str, Tuple[float, Optional[int]]] = {}
        if cache is not None:
            name = hashlib.sha256("|".join(str(path.absolute()) for path in paths).encode()).hexdigest()
            self._file = cache.folder / f"{name}.json"
            with suppress(OSError, RecursionError, TypeError, ValueError):
                self._before = dict(json.loads(read_text(self._file, LARGEST_INDEX)))

    def look(self, path: Path) -> Found:
        try:
            mark = file_fingerprint(path)
            video = _remembered(path, self._before.get(mark)) or open_video(path)
        except DataError as error:
            return error if isinstance(error, VideoError) else VideoError(str(error))
        self._now[mark] = (video.duration_sec, video.first_pts)
        return video

    def save(self) -> None:
        if self._file is not None and self._now != self._before:
            with suppress(OSError), atomic_path(self._file) as temporary:
                temporary.write_text(json.dumps(self._now), encoding="utf-8")


def _remembered(path: Path, entry: Any) -> Optional[VideoFile]:
    try:
        duration, first = entry
        return VideoFile(path, float(duration), None if first is None else int(first))
    except (OverflowError, TypeError, ValueError):
        return None
