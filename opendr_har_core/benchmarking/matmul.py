"""The machine's yardstick: a large float32 matrix product on ONNX Runtime.

The model is written here byte by byte, since the machine that is measured may have no `onnx` package.
"""

from __future__ import annotations

from typing import List, Optional, Union

import numpy as np

from opendr_har_core.backends.runtime import ort
from opendr_har_core.benchmarking.timing import time_calls

CPU = "CPUExecutionProvider"
SIDE = 2048
SECONDS = 1.0
IR_VERSION, OPSET, FLOAT = 7, 13, 1


def matmul_gflops(
    threads: Optional[int] = None, provider: str = CPU, side: int = SIDE, seconds: float = SECONDS
) -> float:
    """1e9 operations per second in a product of two float32 (side, side) matrices, by the median time.

    A multiply-add counts as two operations. `provider` is the whole name of an execution provider; another device's
    figure includes the copies to it and back.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = ort.InferenceSession(matmul_model(side), options, providers=[provider])
    random = np.random.default_rng(0)
    feeds = {name: random.standard_normal((side, side), dtype=np.float32) for name in ("a", "b")}
    timing = time_calls(lambda: session.run(["c"], feeds), seconds)
    return 2 * side**3 / timing.median_sec / 1e9


def matmul_model(side: int) -> bytes:
    """An ONNX model of c = a @ b; the numbers are the fields' in onnx.proto."""
    node = _field(1, "a") + _field(1, "b") + _field(2, "c") + _field(4, "MatMul")
    graph = _field(1, node) + _field(2, "matmul")
    graph += b"".join(_field(11, _matrix(name, side)) for name in ("a", "b")) + _field(12, _matrix("c", side))
    return _field(1, IR_VERSION) + _field(7, graph) + _field(8, _field(1, "") + _field(2, OPSET))


def _matrix(name: str, side: int) -> bytes:
    """ValueInfoProto of a float (side, side) tensor."""
    dimension = _field(1, _field(1, side))
    return _field(1, name) + _field(2, _field(1, _field(1, FLOAT) + _field(2, dimension + dimension)))


def _field(number: int, value: Union[int, str, bytes]) -> bytes:
    """One field of a protocol buffer: a number, or text or a message with its length before it."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    parts: List[int] = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
