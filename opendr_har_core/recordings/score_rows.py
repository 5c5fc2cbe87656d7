"""Parts of recordings with a label, as files of labels and of truth hold them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Dict, List, Optional, Tuple

import numpy as np


@dataclass(frozen=True)
class Row:
    """A part of a recording with one label.

    Attributes:
        recording: its path or name, see `recording_name`; "" for the only one there is.
        track: the person; "" for the whole picture.
        start_sec, end_sec: seconds since the first frame; `end_sec` is infinite for the end of the recording.
        label: class name.
        score: from 0 to 1; 1 for truth.
        where: file and line, for messages.
    """

    recording: str
    track: str
    start_sec: float
    end_sec: float
    label: str
    score: float = 1.0
    where: str = ""


@dataclass
class Rows:
    """The rows of some files.

    Attributes:
        rows: in the order of the files.
        durations: seconds by recording, None where the files don't say; also of recordings without a row.
        boxes: by recording and track, float64 (n, 5): rising time in seconds, left, top, right, bottom.
    """

    rows: List[Row] = field(default_factory=list)
    durations: Dict[str, Optional[float]] = field(default_factory=dict)
    boxes: Dict[Tuple[str, str], np.ndarray] = field(default_factory=dict)


def recording_name(path: str) -> str:
    """The name by which labels and truth of a video or bag are matched: its path without suffix and `..`.

    Paths of Windows and of macOS, which takes letters with accents apart, are the same as others.
    """
    found = PurePosixPath(unicodedata.normalize("NFC", path).replace("\\", "/"))
    if found.name and not found.suffix[1:].isdigit():  # folders of bags end in numbers
        found = found.with_suffix("")
    return "/".join(part for part in found.parts if part not in ("/", ".."))
