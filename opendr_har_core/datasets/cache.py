"""Decoded frames on disk, since decoding is what a small machine spends its time on."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Callable, Optional, Union

import cv2
import numpy as np

from opendr_har_core.errors import ConfigError
from opendr_har_core.storage.atomic import atomic_path, remove_abandoned

# What must stay free on the disk, in bytes.
RESERVE = 1 << 30
# Goes up where the same video gives other frames than before: 2 turns them upright.
FORMAT = "2"


class ClipCache:
    """A folder of .npy files that is filled while it is used; a full disk only means that nothing more is kept."""

    def __init__(self, folder: Optional[Union[str, Path]] = None) -> None:
        """The default is `opendr_har/clips` in the user's cache folder. Raises ConfigError where it can't be made."""
        self.folder = Path(folder) if folder is not None else default_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the cache folder {self.folder} can't be made: {error}; give another") from None
        remove_abandoned(self.folder)

    def get(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The uint8 array kept under a text that says all it depends on, or what `make` returns, which is then kept.

        An array from the disk is a read-only view of the file. Errors are those of `make`.
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


def default_folder() -> Path:
    """Where caches belong on this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opendr_har" / "clips"


def scaled(frame: np.ndarray, short_side: int) -> np.ndarray:
    """A uint8 (H, W, 3) image with its short side scaled down to `short_side`; a smaller one stays as it is."""
    height, width = frame.shape[:2]
    if min(height, width) <= short_side:
        return frame
    factor = short_side / min(height, width)
    size = (max(short_side, round(width * factor)), max(short_side, round(height * factor)))
    smaller: np.ndarray = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return smaller


def _load(path: Path) -> Optional[np.ndarray]:
    """None where there is no usable file; a damaged one is made again."""
    try:
        array: np.ndarray = np.lib.format.open_memmap(path, mode="r")
    except Exception:  # NumPy reads the header as text of Python's: any of its errors can come of that
        return None
    return array if array.dtype == np.uint8 and array.ndim == 4 and array.size else None
