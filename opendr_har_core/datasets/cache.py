"""Cache of decoded frames."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Callable, Optional, Union

import cv2
import numpy as np

from opendr_har_core.errors import ConfigError
from opendr_har_core.storage.atomic import atomic_path, remove_abandoned

# Bytes of the disk that stay free.
RESERVE = 1 << 30
# To be increased when the same video gives other frames than before; 2 rotates them upright.
FORMAT = "2"


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
        with suppress(OSError):
            if shutil.disk_usage(self.folder).free - array.nbytes >= RESERVE:
                with atomic_path(path) as temporary:
                    np.save(temporary, array, allow_pickle=False)


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
