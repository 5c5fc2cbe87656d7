"""Reader of protocol buffers, for robots without the `onnx` package.

A message is a list of fields, each with a number and a wire type; a field can be a message again.
"""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Tuple

VARINT, BYTES, WIDTHS = 0, 2, {1: 8, 5: 4}  # wire types
# A protocol buffer can't be larger; the number of fields is twenty times that of the largest network.
MOST_BYTES, MOST_FIELDS = (1 << 31) - 1, 5_000_000
Field = Tuple[int, int, int, int]


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file; raises OSError, and ValueError for one that is empty or too large for a protocol buffer."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if len(data) > MOST_BYTES:
            raise ValueError(f"it has {len(data)} bytes, the limit is {MOST_BYTES}")
        yield data


class Fields:
    """Splits messages into fields, up to a total number."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self._left = MOST_FIELDS

    def of(self, position: int, end: int) -> Iterator[Field]:
        """(number, wire type, start and end of the content) of each field; raises ValueError for a malformed one."""
        while position < end:
            key, position = varint(self.data, position)
            number, wire, start = key >> 3, key & 7, position
            self._left -= 1
            if not 0 < number < 1 << 29 or self._left < 0:  # some readers ignore the higher bits
                raise ValueError(f"the field {number} at {position}, {MOST_FIELDS - self._left} in all")
            if wire == BYTES:
                length, start = varint(self.data, position)
                position = start + length
            elif wire == VARINT:
                _, position = varint(self.data, position)
            elif wire in WIDTHS:
                position += WIDTHS[wire]
            else:
                raise ValueError(f"a field of type {wire}")
            if position > end:
                raise ValueError("a field exceeds its message")
            yield number, wire, start, position


def varint(data: mmap.mmap, position: int) -> Tuple[int, int]:
    """Value and end of a number with seven bits per byte."""
    value = data[position]
    position += 1
    if value < 0x80:  # nearly always
        return value, position
    value, shift = value & 0x7F, 7
    while shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number without end")


def field(number: int, content: bytes) -> bytes:
    """A field of text, bytes or a message."""
    return _encoded(number << 3 | BYTES) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    digits = []
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])
