"""Labels: class names in the order of a model's scores."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Iterable, Iterator, Optional, Tuple, Union

from opendr_har_core.errors import LabelError
from opendr_har_core.storage.reading import read_text

KINETICS400 = Path(__file__).parent / "data" / "kinetics400.csv"
LARGEST_LIST = 16 << 20
LISTED = 8
# Unicode categories: control characters, and surrogates, which have no UTF-8 form.
FORBIDDEN = ("Cc", "Cs")


Labels = Union["LabelMap", str, Path, Iterable[str]]


class LabelMap:
    """Immutable, unique class names; the class id is the position."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises LabelError for a name that is empty, not a string, not one line of text, or given twice."""
        self.names: Tuple[str, ...] = tuple(names)
        for name in self.names:
            if not isinstance(name, str) or not name.strip():
                raise LabelError(f"a class name must be a non-empty string, got {name!r}")
            if any(unicodedata.category(letter) in FORBIDDEN for letter in name):
                raise LabelError(f"a class name must be one line of text, got {name[:200]!r}")
        self._ids = {name: index for index, name in enumerate(self.names)}
        if len(self._ids) != len(self.names):
            twice = sorted(name for name, count in Counter(self.names).items() if count > 1)
            raise LabelError(f"class names must be unique, these are given twice: {twice[:LISTED]}")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, class_id: int) -> str:
        return self.names[class_id]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelMap) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def id(self, name: str) -> int:
        """Class id of `name`; raises LabelError if there is none."""
        if name not in self._ids:
            raise LabelError(f"no class is named {name!r}; the model's {len(self)} classes begin {self.names[:5]}")
        return self._ids[name]

    @classmethod
    def read_csv(cls, path: Union[str, Path]) -> LabelMap:
        """Read a CSV with the header `id,name` and the ids 0, 1, 2, ... in order; raises LabelError."""
        try:
            rows = list(csv.DictReader(io.StringIO(read_text(path, LARGEST_LIST), newline="")))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise LabelError(f"can't read the class names in {path}: {error}") from None
        for index, row in enumerate(rows):
            if row.get("id") != str(index) or not row.get("name"):
                raise LabelError(f"{path}, row {index + 1}: expected id,name with id {index}, got {dict(row)}")
        return cls(row["name"] for row in rows)

    @classmethod
    def of(cls, labels: Labels) -> LabelMap:
        """LabelMap of names, of a CSV, or the same one; raises LabelError."""
        if isinstance(labels, LabelMap):
            return labels
        return cls.read_csv(labels) if isinstance(labels, (str, Path)) else cls(labels)

    @classmethod
    def kinetics400(cls) -> LabelMap:
        """The 400 classes of Kinetics-400, in the order of the published weights."""
        return cls.read_csv(KINETICS400)

    @classmethod
    def numbered(cls, count: int, names: Optional[Iterable[str]] = None) -> LabelMap:
        """`names` if given, else Kinetics-400 for 400 classes, else "class 0", "class 1", ...; raises LabelError."""
        if names is not None:
            labels = cls(names)
            if len(labels) != count:
                raise LabelError(f"{len(labels)} class names for a model of {count} classes; give one name per class")
            return labels
        return cls.kinetics400() if count == 400 else cls(f"class {index}" for index in range(count))


class ClassIds:
    """Finds class ids by name; data sets differ in case and in spaces or underscores."""

    def __init__(self, labels: LabelMap) -> None:
        self._labels = labels
        self._ids = {plain_name(name): index for index, name in enumerate(labels)}
        # Classes that differ only in these are distinguished by their exact names.
        self._ambiguous = len(self._ids) < len(labels)

    def id(self, name: str, where: object) -> int:
        """The class id of `name`; raises LabelError with `where` it is used and the most similar names."""
        if name in self._labels.names:
            return self._labels.id(name)
        if not self._ambiguous and plain_name(name) in self._ids:
            return self._ids[plain_name(name)]
        near = get_close_matches(plain_name(name), self._ids, n=3, cutoff=0.5)
        names = [self._labels[self._ids[plain]] for plain in near] or list(self._labels.names[:5])
        raise LabelError(
            f"{where}: {name!r} is not one of the {len(self._labels)} classes, the "
            f"{'nearest' if near else 'first'} are {names}. Correct the label, or give its own list of classes"
        )


def plain_name(name: str) -> str:
    """What the spellings of a class name have in common."""
    return " ".join(name.replace("_", " ").lower().split())
