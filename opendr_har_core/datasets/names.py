"""Class names in data, matched against the list of classes."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Iterable, Union

from opendr_har_core.errors import LabelError
from opendr_har_core.labels import LabelMap

Labels = Union[LabelMap, str, Path, Iterable[str]]
SIDES = re.compile(r"\b(left|right)\b")


def label_map(labels: Labels) -> LabelMap:
    """LabelMap of names, or of a CSV with the header `id,name`; raises LabelError."""
    if isinstance(labels, LabelMap):
        return labels
    return LabelMap.read_csv(labels) if isinstance(labels, (str, Path)) else LabelMap(labels)


class ClassIds:
    """Finds class ids by name; data sets differ in case and in spaces or underscores."""

    def __init__(self, labels: LabelMap) -> None:
        self._labels = labels
        self._ids = {_plain(name): index for index, name in enumerate(labels)}
        # Classes that differ only in these are distinguished by their exact names.
        self._ambiguous = len(self._ids) < len(labels)

    def id(self, name: str, where: object) -> int:
        """The class id of `name`; raises LabelError with `where` it is used and the most similar names."""
        if name in self._labels.names:
            return self._labels.id(name)
        if not self._ambiguous and _plain(name) in self._ids:
            return self._ids[_plain(name)]
        near = get_close_matches(_plain(name), self._ids, n=3, cutoff=0.5)
        names = [self._labels[self._ids[plain]] for plain in near] or list(self._labels.names[:5])
        raise LabelError(
            f"{where}: {name!r} is not one of the {len(self._labels)} classes, the "
            f"{'nearest' if near else 'first'} are {names}. Correct the label, or give its own list of classes"
        )


def may_mirror(labels: LabelMap) -> bool:
    """Whether a mirrored clip keeps its label: not if a class name contains "left" or "right"."""
    return not any(SIDES.search(_plain(name)) for name in labels)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())
