"""What an ONNX file may not have, found before ONNX Runtime reads it: a bundle is one file, and a network.

An ONNX file is a protocol buffer: fields of a number and a wire type, some of which are messages of fields again. Only
the few that matter are looked at, without the package onnx, which a robot does not have.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Iterator, Tuple

from opendr_har_core.errors import ModelError

# Of ModelProto, GraphProto, FunctionProto, NodeProto, AttributeProto and TensorProto.
GRAPH, FUNCTIONS = 7, 25
GRAPH_NODE, INITIALIZER, FUNCTION_NODE = 1, 5, 7
SPARSE_INITIALIZER = 15
OPERATOR, ATTRIBUTE, DOMAIN = 4, 5, 7
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS, SPARSE_TENSOR, SPARSE_TENSORS = 5, 6, 10, 11, 22, 23
EXTERNAL_DATA, DATA_LOCATION = 13, 14

VARINT, MESSAGE, WIDTHS = 0, 2, {1: 8, 5: 4}
# A protocol buffer can't be larger; the fields are twenty times those of the largest network.
MOST_BYTES, MOST_FIELDS = (1 << 31) - 1, 5_000_000
# Those of ONNX and of ONNX Runtime's own operators; others would come from a library of somebody's.
DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml", b"com.microsoft", b"com.microsoft.nchwc", b"com.ms.internal.nhwc")
# It loads what an execution provider compiled, from a file of any name.
COMPILED = b"EPContext"
Field = Tuple[int, int, int, int]


def check_onnx_file(path: Path) -> None:
    """Raise ModelError for a file that is no protocol buffer, or has weights in other files, branches or loops,
    compiled parts or operators of somebody's own."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if len(data) > MOST_BYTES:
                raise ModelError(f"its {len(data)} bytes are more than a model may have")
            _check_model(_Fields(data))
    except ModelError as error:
        raise ModelError(f"{path} can't be opened: {error}; make a bundle with 'opendr-har export'") from None
    except (OSError, ValueError, IndexError) as error:  # an empty file is a ValueError
        raise ModelError(f"{path} can't be opened as an ONNX model: it is damaged or none ({error})") from None


def _check_model(fields: _Fields) -> None:
    for number, wire, start, end in fields.of(0, len(fields.data)):
        if wire == MESSAGE and number == GRAPH:
            _check_graph(fields, start, end)
        elif wire == MESSAGE and number == FUNCTIONS:
            for inner, inner_wire, inner_start, inner_end in fields.of(start, end):
                if inner == FUNCTION_NODE and inner_wire == MESSAGE:
                    _check_node(fields, inner_start, inner_end)


def _check_graph(fields: _Fields, start: int, end: int) -> None:
    for number, wire, inner, stop in fields.of(start, end):
        if wire != MESSAGE:
            continue
        if number == GRAPH_NODE:
            _check_node(fields, inner, stop)
        elif number == INITIALIZER:
            _check_tensor(fields, inner, stop)
        elif number == SPARSE_INITIALIZER:
            _check_sparse_tensor(fields, inner, stop)


def _check_node(fields: _Fields, start: int, end: int) -> None:
    for number, wire, inner, stop in fields.of(start, end):
        if wire != MESSAGE:
            continue
        if number == ATTRIBUTE:
            _check_attribute(fields, inner, stop)
        elif number == DOMAIN and fields.data[inner:stop] not in DOMAINS:
            raise ModelError(
                f"it has operators of the domain {fields.data[inner:stop]!r}, whose code is not part of it"
            )
        elif number == OPERATOR and fields.data[inner:stop] == COMPILED:
            raise ModelError(f"it has the operator {COMPILED!r}, which loads another file")


def _check_attribute(fields: _Fields, start: int, end: int) -> None:
    for number, wire, inner, stop in fields.of(start, end):
        if wire != MESSAGE:
            continue
        if number in (SUBGRAPH, SUBGRAPHS):
            raise ModelError("it has branches or loops, which none of our networks has")
        if number in (TENSOR, TENSORS):
            _check_tensor(fields, inner, stop)
        elif number in (SPARSE_TENSOR, SPARSE_TENSORS):
            _check_sparse_tensor(fields, inner, stop)


def _check_sparse_tensor(fields: _Fields, start: int, end: int) -> None:
    for _, wire, inner, stop in fields.of(start, end):
        if wire == MESSAGE:
            _check_tensor(fields, inner, stop)


def _check_tensor(fields: _Fields, start: int, end: int) -> None:
    for number, wire, inner, stop in fields.of(start, end):
        if number == EXTERNAL_DATA or (number == DATA_LOCATION and wire == VARINT and fields.data[inner:stop] != b"\0"):
            raise ModelError("its weights are in other files, but a bundle is one file")


class _Fields:
    """Splits messages into fields, so many in all."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self._left = MOST_FIELDS

    def of(self, position: int, end: int) -> Iterator[Field]:
        """(number, wire type, start and end of the content) of each field; raises ValueError for anything else."""
        while position < end:
            key, position = _varint(self.data, position)
            number, wire, start = key >> 3, key & 7, position
            self._left -= 1
            if not 0 < number < 1 << 29 or self._left < 0:  # some readers would drop what is above
                raise ValueError(f"the field {number} at {position}, {MOST_FIELDS - self._left} in all")
            if wire == MESSAGE:
                length, start = _varint(self.data, position)
                position = start + length
            elif wire == VARINT:
                _, position = _varint(self.data, position)
            elif wire in WIDTHS:
                position += WIDTHS[wire]
            else:
                raise ValueError(f"a field of type {wire}")
            if position > end:
                raise ValueError("a field goes on after its end")
            yield number, wire, start, position


def _varint(data: mmap.mmap, position: int) -> Tuple[int, int]:
    """A number of seven bits to a byte, and where it ends."""
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = byte & 0x7F, 7
    while shift < 70:
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise ValueError("a number without an end")
