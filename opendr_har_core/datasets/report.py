"""What a dataset found when it looked at its data, and what it had to leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

SHOWN = 10


@dataclass(frozen=True)
class DataReport:
    """Nothing is left out without a word: it is here.

    Attributes:
        items: clips that can be used.
        skipped: (path, reason) of what is there but can't be used.
        absent: number of clips that a list of annotations names and that are not there.
        short: clips of `items` that are shorter than the network's; their last frame is held.
        missing_classes: names of the classes without any clip.
        classes: number of classes in the list.
    """

    items: int
    skipped: Tuple[Tuple[str, str], ...] = ()
    absent: int = 0
    short: int = 0
    missing_classes: Tuple[str, ...] = ()
    classes: int = 0

    def __str__(self) -> str:
        lines = [f"{self.items} clips of {self.classes - len(self.missing_classes)} of {self.classes} classes"]
        if self.absent:
            lines.append(f"{self.absent} clips are in the annotations but not on disk")
        if self.short:
            lines.append(f"{self.short} clips are shorter than the network's; their last frame is held")
        if self.items and self.missing_classes:
            lines.append(f"{len(self.missing_classes)} classes without a clip: {_some(self.missing_classes)}")
        if self.skipped:
            lines.append(f"{len(self.skipped)} skipped:")
            lines += [f"  {reason if path in reason else f'{path}: {reason}'}" for path, reason in self.skipped[:SHOWN]]
            lines += [f"  and {len(self.skipped) - SHOWN} more"] if len(self.skipped) > SHOWN else []
        return "\n".join(lines)


def _some(names: Tuple[str, ...]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
