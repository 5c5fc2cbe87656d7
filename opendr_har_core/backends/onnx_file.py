"""What an ONNX file may not have, found before ONNX Runtime reads it: a bundle is one file, and a network.

An ONNX file is a protocol buffer: fields of a number and a wire type, some of which are messages of fields again. Only
the few that matter are looked at, without the package onnx, which a robot does not have.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Iterator, Tuple, Union

from opendr_har_core.errors import ModelError

# Of ModelProto, GraphProto, FunctionProto, NodeProto, AttributeProto and TensorProto.
GRAPH, FUNCTIONS = 7, 25
GRAPH_NODE, INITIALIZER, FUNCTION_NODE = 1, 5, 7
SPARSE_INITIALIZER = 15
OPERATOR, ATTRIBUTE, DOMAIN = 4, 5, 7
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS, SPARSE_TENSOR, SPARSE_TENSORS = 5, 6, 10, 11, 22, 23
EXTERNAL_DATA, DATA_LOCATION = 13, 14

VARINT, EIGHT_BYTES, MESSAGE, FOUR_BYTES = 0, 1, 2, 5
# Those of ONNX and of ONNX Runtime's own operators; others would come from a library of somebody's.
DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml", b"com.microsoft", b"com.microsoft.nchwc", b"com.ms.internal.nhwc")
# It loads what an execution provider compiled, from a file of any name.
COMPILED = b"EPContext"
Data = Union[bytes, mmap.mmap]
Field = Tuple[int, int, int, int]


def check_onnx_file(path: Path) -> None:
    """Raise ModelError for a file that is no protocol buffer, or has weights in other files, branches or loops,
    compiled parts or operators of somebody's own."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_model(data)
    except ModelError as error:
        raise ModelError(f"{path} can't be opened: {error}; make a bundle with 'opendr-har export'") from None
    except (OSError, ValueError, IndexError) as error:  # an empty file is a ValueError
        raise ModelError(f"{path} can't be opened as an ONNX model: it is damaged or none ({error})") from None


def _check_model(data: Data) -> None:
    for number, wire, start, end in _fields(data, 0, len(data)):
        if wire == MESSAGE and number == GRAPH:
            _check_graph(data, start, end)
        elif wire == MESSAGE and number == FUNCTIONS:
            for inner, inner_wire, inner_start, inner_end in _fields(data, start, end):
                if inner == FUNCTION_NODE and inner_wire == MESSAGE:
                    _check_node(data, inner_start, inner_end)


def _check_graph(data: Data, start: int, end: int) -> None:
    for number, wire, inner, stop in _fields(data, start, end):
        if wire != MESSAGE:
            continue
        if number == GRAPH_NODE:
            _check_node(data, inner, stop)
        elif number == INITIALIZER:
            _check_tensor(data, inner, stop)
        elif number == SPARSE_INITIALIZER:
            _check_sparse_tensor(data, inner, stop)


def _check_node(data: Data, start: int, end: int) -> None:
    for number, wire, inner, stop in _fields(data, start, end):
        if wire != MESSAGE:
            continue
        if number == ATTRIBUTE:
            _check_attribute(data, inner, stop)
        elif number == DOMAIN and data[inner:stop] not in DOMAINS:
            raise ModelError(f"it has operators of the domain {data[inner:stop]!r}, whose code is not part of it")
        elif number == OPERATOR and data[inner:stop] == COMPILED:
            raise ModelError(f"it has the operator {COMPILED!r}, which loads another file")


def _check_attribute(data: Data, start: int, end: int) -> None:
    for number, wire, inner, stop in _fields(data, start, end):
        if wire != MESSAGE:
            continue
        if number in (SUBGRAPH, SUBGRAPHS):
            raise ModelError("it has branches or loops, which none of our networks has")
        if number in (TENSOR, TENSORS):
            _check_tensor(data, inner, stop)
        elif number in (SPARSE_TENSOR, SPARSE_TENSORS):
            _check_sparse_tensor(data, inner, stop)


def _check_sparse_tensor(data: Data, start: int, end: int) -> None:
    for _, wire, inner, stop in _fields(data, start, end):
        if wire == MESSAGE:
            _check_tensor(data, inner, stop)


def _check_tensor(data: Data, start: int, end: int) -> None:
    for number, wire, inner, stop in _fields(data, start, end):
        if number == EXTERNAL_DATA or (number == DATA_LOCATION and wire == VARINT and data[inner:stop] != b"\0"):
            raise ModelError("its weights are in other files, but a bundle is one file")


def _fields(data: Data, position: int, end: int) -> Iterator[Field]:
    """(number, wire type, start and end of the content) of each field; raises ValueError for anything else."""
    while position < end:
        key, position = _varint(data, position)
        if key >> 32:  # some readers would drop what is above
            raise ValueError(f"a field of number {key >> 3}")
        wire, start = key & 7, position
        if wire == MESSAGE:
            length, start = _varint(data, position)
            position = start + length
        elif wire == VARINT:
            _, position = _varint(data, position)
        elif wire == EIGHT_BYTES:
            position += 8
        elif wire == FOUR_BYTES:
            position += 4
        else:
            raise ValueError(f"a field of type {wire}")
        if position > end:
            raise ValueError("a field goes on after its end")
        yield key >> 3, wire, start, position


def _varint(data: Data, position: int) -> Tuple[int, int]:
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
