"""Check of an ONNX file before ONNX Runtime reads it: one file, plain operators, no code.

Reads the protocol buffer directly, as robots have no `onnx` package: a message is a list of fields, each with a number
and a wire type, and a field can be a message again. Only the fields that matter are followed.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Callable, Dict, Iterator, Tuple

from opendr_har_core.errors import ModelError

# Of each message of onnx.proto, the fields that lead to weights or operators, and the messages that they hold.
FOLLOWED: Dict[str, Dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {5: "TensorProto", 10: "TensorProto", 22: "SparseTensorProto", 23: "SparseTensorProto"},
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
VARINT, BYTES, WIDTHS = 0, 2, {1: 8, 5: 4}  # wire types
# A protocol buffer can't be larger; the number of fields is twenty times that of the largest network.
MOST_BYTES, MOST_FIELDS = (1 << 31) - 1, 5_000_000
# Operators of ONNX and of ONNX Runtime; any other domain needs a library with the operator's code.
DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml", b"com.microsoft", b"com.microsoft.nchwc", b"com.ms.internal.nhwc")
# Loads what an execution provider compiled, from a file of any name.
COMPILED = b"EPContext"
Field = Tuple[int, int, int, int]
EXTERNAL = (lambda content: content == b"\0", "its weights are in other files, but a bundle is one file")
SUBGRAPH = (lambda content: False, "it has branches or loops, which no model of this package has")
# Fields whose content is checked, and what is wrong otherwise.
CHECKS: Dict[Tuple[str, int], Tuple[Callable[[bytes], bool], str]] = {
    ("NodeProto", 4): (lambda content: content != COMPILED, "it has the operator EPContext, which loads another file"),
    ("NodeProto", 7): (lambda content: content in DOMAINS, "it has custom operators, of the domain {content!r}"),
    ("AttributeProto", 6): SUBGRAPH,
    ("AttributeProto", 11): SUBGRAPH,
    ("TensorProto", 13): EXTERNAL,
    ("TensorProto", 14): EXTERNAL,
}


def check_onnx_file(path: Path) -> None:
    """Raise ModelError unless the file is a protocol buffer without external weights, subgraphs, compiled parts and
    custom operators."""
    if not path.is_file():
        raise ModelError(f"there is no model file {path}")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if len(data) > MOST_BYTES:
                raise ModelError(f"it has {len(data)} bytes, the limit is {MOST_BYTES}")
            _check(_Fields(data), "ModelProto", 0, len(data))
    except ModelError as error:
        raise ModelError(f"{path} can't be opened: {error}; make a bundle with 'opendr-har export'") from None
    except (OSError, ValueError, IndexError) as error:  # an empty file is a ValueError
        raise ModelError(
            f"{path} can't be opened: it is not an ONNX model, or damaged ({error}); turn weights (.pth, .pyth, .ckpt) "
            f"into a bundle with 'opendr-har export'"
        ) from None


def _check(fields: _Fields, message: str, start: int, end: int) -> None:
    followed = FOLLOWED[message]
    for number, wire, inner, stop in fields.of(start, end):
        if wire == BYTES and number in followed:
            _check(fields, followed[number], inner, stop)
        elif (message, number) in CHECKS:
            is_sound, reason = CHECKS[message, number]
            content = fields.data[inner:stop]
            if not is_sound(content):
                raise ModelError(reason.format(content=content))


class _Fields:
    """Splits messages into fields, up to a total number."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self._left = MOST_FIELDS

    def of(self, position: int, end: int) -> Iterator[Field]:
        """(number, wire type, start and end of the content) of each field; raises ValueError for a malformed one."""
        while position < end:
            key, position = _varint(self.data, position)
            number, wire, start = key >> 3, key & 7, position
            self._left -= 1
            if not 0 < number < 1 << 29 or self._left < 0:  # some readers ignore the higher bits
                raise ValueError(f"the field {number} at {position}, {MOST_FIELDS - self._left} in all")
            if wire == BYTES:
                length, start = _varint(self.data, position)
                position = start + length
            elif wire == VARINT:
                _, position = _varint(self.data, position)
            elif wire in WIDTHS:
                position += WIDTHS[wire]
            else:
                raise ValueError(f"a field of type {wire}")
            if position > end:
                raise ValueError("a field exceeds its message")
            yield number, wire, start, position


def _varint(data: mmap.mmap, position: int) -> Tuple[int, int]:
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
