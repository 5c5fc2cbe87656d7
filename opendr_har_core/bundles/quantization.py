"""Smaller bundles: weights stored as float16 or int8, and unpacked to float32 when the bundle is opened.

Each stored weight is followed by plain operators (Cast, Mul) that ONNX Runtime evaluates once, when it opens the file;
from there on it runs the graph of the original. See docs/decisions/0004-stored-weights.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from opendr_har_core.bundles.file_check import check_onnx_file
from opendr_har_core.bundles.graphs.writer import write_model
from opendr_har_core.bundles.metadata import FLOAT16, FLOAT32, INT8, BundleMetadata
from opendr_har_core.errors import ModelError

FEWEST_VALUES = 200  # of a weight that is worth an operator
INT8_STEPS = 127
ROUND_OFF = 1e-6  # of a float32 weight that was computed from an int8 one, relative to the largest weight
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class QuantizationReport:
    """Result of `quantize_bundle`.

    Attributes:
        path: the smaller bundle.
        precision: "int8" if weights could be stored as int8 without loss, else "float16".
        source_bytes, target_bytes: sizes of the two files.
    """

    path: Path
    precision: str
    source_bytes: int
    target_bytes: int


def quantize_bundle(source: Union[str, Path], target: Union[str, Path]) -> QuantizationReport:
    """Write a copy of the bundle `source` with smaller weights to `target`, atomically.

    Weights that come from an int8 model are stored as int8 without loss, the others as float16. Raises ModelError for
    a file that is no bundle, or a bundle that is quantized or tuned already.
    """
    source, target = Path(source), Path(target)
    model, metadata = _read_bundle(source)
    precision = INT8 if pack_weights(model) else FLOAT16
    if not metadata.spec.is_continual:
        _shorten_names(model)
    helper.set_model_props(model, replace(metadata, precision=precision).to_properties())
    onnx.checker.check_model(model, full_check=True)
    path = write_model(model, target)
    return QuantizationReport(path, precision, source.stat().st_size, path.stat().st_size)


def _read_bundle(path: Path) -> Tuple[ModelProto, BundleMetadata]:
    check_onnx_file(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise ModelError(f"{path} can't be opened as an ONNX model: {error}") from None
    metadata = BundleMetadata.from_properties({entry.key: entry.value for entry in model.metadata_props}, str(path))
    if metadata.precision != FLOAT32:
        raise ModelError(f"{path} is quantized already, to {metadata.precision}; quantize the bundle it was made from")
    if metadata.tuned_for:
        raise ModelError(f"{path} is tuned, for {metadata.tuned_for}; quantize the bundle it was made from, then tune")
    return model, metadata


def pack_weights(model: ModelProto) -> bool:
    """Replace float32 weights by smaller ones and operators that unpack them; returns whether any is int8."""
    stored: List[TensorProto] = []
    nodes: List[NodeProto] = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < FEWEST_VALUES:
            stored.append(weight)
            continue
        int8 = exact_int8(values)
        tensors, unpacking = _packed_float16(weight, values) if int8 is None else _packed_int8(weight.name, *int8)
        stored += tensors
        nodes += unpacking
    nodes += model.graph.node
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(stored)
    model.graph.node.extend(nodes)
    return any(weight.data_type == TensorProto.INT8 for weight in stored)


def _packed_float16(weight: TensorProto, values: np.ndarray) -> Tuple[List[TensorProto], List[NodeProto]]:
    if float(np.abs(values).max()) > LARGEST_FLOAT16:
        return [weight], []
    packed = numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.{FLOAT16}")
    return [packed], [helper.make_node("Cast", [packed.name], [weight.name], name=weight.name, to=TensorProto.FLOAT)]


def _packed_int8(name: str, steps: np.ndarray, scale: np.ndarray) -> Tuple[List[TensorProto], List[NodeProto]]:
    """Not DequantizeLinear: ONNX Runtime would keep it, and convolve in the plain layout behind it."""
    packed = numpy_helper.from_array(steps, f"{name}.{INT8}")
    factor = numpy_helper.from_array(scale, f"{name}.scale")
    wide = f"{name}.steps"
    cast = helper.make_node("Cast", [packed.name], [wide], name=wide, to=TensorProto.FLOAT)
    return [packed, factor], [cast, helper.make_node("Mul", [wide, factor.name], [name], name=name)]


def exact_int8(values: np.ndarray) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    """Float weights (out, ...) as int8 steps (out, ...) and a float32 scale (1, ...) whose product they are, or None.

    Such a scale exists for weights of a model that was int8 with one scale per tensor: it is the smallest difference
    between two magnitudes, as so many weights on a grid of 128 magnitudes include two neighbours.
    """
    magnitudes = np.unique(np.abs(values.astype(np.float64)))
    if len(magnitudes) == 1:  # constant
        return None
    largest = magnitudes[-1]
    gaps = np.diff(magnitudes, prepend=0)
    scale = np.float32(largest / np.rint(largest / gaps[gaps > 0].min()))
    steps = np.rint(values / scale)
    fits = steps.min() >= -INT8_STEPS - 1 and steps.max() <= INT8_STEPS
    if not fits or np.abs(values - steps * scale).max() > ROUND_OFF * largest:
        return None
    return steps.astype(np.int8), np.full((1,) * values.ndim, scale)


def _shorten_names(model: ModelProto) -> None:
    """Number the inner tensors: in a graph over clips, thousands of names take as much space as many weights."""
    kept = {value.name for value in [*model.graph.input, *model.graph.output]}
    kept |= {weight.name for weight in model.graph.initializer}
    numbers: Dict[str, str] = {}
    for node in model.graph.node:
        node.ClearField("name")
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name and name not in kept:
                    names[index] = numbers.setdefault(name, str(len(numbers)))
