"""Targets that do what no target may: they show that the cage notices."""

from __future__ import annotations

import ctypes
import os
import pickle
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict


def _writes(path: Path) -> None:
    (path.parent / "left behind").write_text("x")


def _writes_elsewhere(path: Path) -> None:
    del path
    handle, name = tempfile.mkstemp(dir="/tmp")
    os.close(handle)
    Path(name).unlink()


def _unpickles(path: Path) -> None:
    del path
    pickle.loads(pickle.dumps(Path("a")))


def _allocates(path: Path) -> None:
    del path
    bytes(1 << 30)


TRAP = "trap:"
USES: Dict[str, Callable[[Path], object]] = {
    "writes": _writes,
    "writes elsewhere": _writes_elsewhere,
    "executes": lambda path: os.system("true"),
    "unpickles": _unpickles,
    "hangs": lambda path: time.sleep(60),
    "crashes": lambda path: ctypes.string_at(0),
    "allocates": _allocates,
    "raises": lambda path: 1 / 0,
}
