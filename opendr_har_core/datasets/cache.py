"""Cache of decoded frames, and of what is known of video files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

import cv2
import numpy as np

from opendr_har_core.datasets.clips import file_fingerprint
from opendr_har_core.datasets.video_file import VideoFile, open_video
from opendr_har_core.errors import ConfigError, DataError, VideoError
from opendr_har_core.storage.atomic import atomic_path, remove_abandoned
from opendr_har_core.storage.reading import read_text

# Bytes of the disk that stay free.
RESERVE = 1 << 30
# To be increased when the same video gives other frames than before; 2 rotates them upright.
FORMAT = "2"
# Opening a file waits for the disk or the network more than for the processor.
THREADS = 8
LARGEST_INDEX = 256 << 20
Found = Union[VideoFile, VideoError]


class ClipCache:
    """A folder of .npy files that fills while it is used; on a full disk, nothing more is stored."""

    def __init__(self, folder: Optional[Union[str, Path]] = None) -> None:
        """The default is `opendr_har/clips` in the user's cache folder. Raises ConfigError if it can't be created."""
        user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = Path(folder) if folder is not None else user / "opendr_har" / "clips"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the cache folder {self.folder} can't be created: {error}; choose another") from None
        remove_abandoned(self.folder)

    def get(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The uint8 array stored under `key`, which names all that it depends on; if there is none, store `make()`.

        A stored array is a read-only view of the file. Errors are those of `make`.
        """
        path = self.folder / f"{hashlib.sha256(f'{FORMAT}|{key}'.encode()).hexdigest()}.npy"
        kept = _load(path)
        if kept is not None:
            return kept
        made = make()
        self._keep(path, made)
        return made

    def _keep(self, path: Path, array: np.ndarray) -> None:
        try:
            if shutil.disk_usage(self.folder).free - array.nbytes < RESERVE:
                return
            with atomic_path(path) as temporary:
                np.save(temporary, array, allow_pickle=False)
        except OSError:
            return


def scaled(frame: np.ndarray, short_side: int) -> np.ndarray:
    """A uint8 (H, W, 3) image with its short side scaled down to `short_side`; a smaller one is unchanged."""
    height, width = frame.shape[:2]
    if min(height, width) <= short_side:
        return frame
    factor = short_side / min(height, width)
    size = (max(short_side, round(width * factor)), max(short_side, round(height * factor)))
    smaller: np.ndarray = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return smaller


def _load(path: Path) -> Optional[np.ndarray]:
    """None if there is no usable file; a damaged one is replaced."""
    try:
        array: np.ndarray = np.lib.format.open_memmap(path, mode="r")
    except Exception:  # NumPy parses the header as Python, which can raise any error
        return None
    return array if array.dtype == np.uint8 and array.ndim == 4 and array.size else None


def open_videos(paths: Iterable[Path], cache: Optional[ClipCache] = None) -> List[Found]:
    """For each path its video, or the VideoError that says why it can't be used.

    With a cache, only new and changed files are opened.
    """
    wanted = list(paths)
    known = _Known(cache, wanted)
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(known.look, wanted))
    known.save()
    return found


class _Known:
    """Index of usable files from an earlier run; broken files are opened again, as they may have been replaced."""

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
