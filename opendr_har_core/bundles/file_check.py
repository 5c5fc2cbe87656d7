"""Check of an ONNX file before ONNX Runtime reads it: one file, plain operators, no code.

Only the fields of the protocol buffer that matter are followed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Tuple

from opendr_har_core.bundles.protobuf import BYTES, Fields, mapped
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
# Operators of ONNX and of ONNX Runtime; any other domain needs a library with the operator's code.
DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml", b"com.microsoft", b"com.microsoft.nchwc", b"com.ms.internal.nhwc")
# Loads what an execution provider compiled, from a file of any name.
COMPILED = b"EPContext"
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
        with mapped(path) as data:
            _check(Fields(data), "ModelProto", 0, len(data))
    except ModelError as error:
        raise ModelError(f"{path} can't be opened: {error}; make a bundle with 'opendr-har export'") from None
    except (OSError, ValueError, IndexError) as error:  # an empty file is a ValueError
        raise ModelError(
            f"{path} can't be opened: it is not an ONNX model, or damaged ({error}); turn weights (.pth, .pyth, .ckpt) "
            f"into a bundle with 'opendr-har export'"
        ) from None


def _check(fields: Fields, message: str, start: int, end: int) -> None:
    followed = FOLLOWED[message]
    for number, wire, inner, stop in fields.of(start, end):
        if wire == BYTES and number in followed:
            _check(fields, followed[number], inner, stop)
        elif (message, number) in CHECKS:
            is_sound, reason = CHECKS[message, number]
            content = fields.data[inner:stop]
            if not is_sound(content):
                raise ModelError(reason.format(content=content))
