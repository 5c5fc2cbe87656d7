"""A bundle in a half or a third of the space: its weights are stored in fewer bits and unpacked when it is opened.

Stored weights are followed by plain operators (Cast, Mul) that make float32 of them. ONNX Runtime computes these once,
when it opens the file, and from there on runs the very graph of the original: only the file gets smaller, a step takes
as long as before. See docs/decisions/0004-stored-weights.md for what else was measured.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.bundles.graphs.writer import write_model
from opendr_har_core.bundles.metadata import FLOAT16, FLOAT32, INT8, PRECISIONS
from opendr_har_core.errors import ConfigError, ModelError
from opendr_har_core.media.video import is_camera
from opendr_har_core.recordings.label_video import recognize_video
from opendr_har_core.streaming.recognizer import Recognizer

# A weight is worth an operator from here on; and a few large ones, which bear rounding well, are most of the file.
FEWEST_VALUES, MANY_VALUES = 200, 20_000
INT8_STEPS = 127
# Between a float32 weight and the step times the scale that it was made of, relative to the largest weight.
ROUND_OFF = 1e-6
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Agreement:
    """Two models on the same clips.

    Attributes:
        clips: number of videos.
        predictions: number of predictions compared.
        same: how many of them have the same best class.
        difference: the largest difference of a probability.
    """

    clips: int
    predictions: int
    same: int
    difference: float

    @property
    def rate(self) -> float:
        """Share of the predictions with the same best class, 0..1."""
        return self.same / self.predictions


@dataclass(frozen=True)
class QuantizationReport:
    """What was done.

    Attributes:
        path: the quantised bundle.
        precision: "float16" or "int8".
        source_bytes, target_bytes: sizes of the two files.
        agreement: of the quantised bundle with its original on the user's clips; None where none were given.
    """

    path: Path
    precision: str
    source_bytes: int
    target_bytes: int
    agreement: Optional[Agreement]


def quantize_bundle(
    source: Union[str, Path], target: Union[str, Path], precision: str, clips: Sequence[Union[str, Path]] = ()
) -> QuantizationReport:
    """Write a copy of the bundle `source` with smaller weights to `target`, and compare both on `clips` (video files).

    `precision` is "float16", or "int8" for the large weights, which leaves the others in float16. Weights of any size
    that come from an int8 model are recognised, and "int8" stores them without loss. The file appears whole or not at
    all. Raises ConfigError for another precision, ModelError for a file that is no bundle or is quantised or tuned
    already, VideoError for a clip that can't be read.
    """
    source, target = Path(source), Path(target)
    if precision not in PRECISIONS[1:]:
        raise ConfigError(f"precision is {precision!r}, expected one of {PRECISIONS[1:]}")
    original = OnnxBackend(source)
    _check_untouched(original, source)
    source_bytes = source.stat().st_size
    model = onnx.load(source, load_external_data=False)
    _pack_weights(model, precision)
    if not original.spec.is_continual:
        _shorten_names(model)
    helper.set_model_props(model, replace(original.metadata, precision=precision).to_properties())
    onnx.checker.check_model(model, full_check=True)
    with tempfile.TemporaryDirectory() as folder:
        candidate = OnnxBackend(write_model(model, Path(folder) / "quantized.onnx"))
        agreement = compare_on(clips, Recognizer(original), Recognizer(candidate)) if clips else None
    path = write_model(model, target)
    return QuantizationReport(path, precision, source_bytes, path.stat().st_size, agreement)


def compare_on(clips: Sequence[Union[str, Path]], first: Recognizer, second: Recognizer) -> Agreement:
    """Play video files to two models of one kind, as a camera would; raises VideoError, ConfigError for a webcam."""
    differences: List[float] = []
    same = 0
    for clip in clips:
        if is_camera(clip):
            raise ConfigError(f"the clip {str(clip)!r} is a webcam; give video files, which both models can see")
        pairs = zip(recognize_video(first, clip, top_k=1), recognize_video(second, clip, top_k=1))
        for one, other in pairs:
            same += int(one.top[0].class_id == other.top[0].class_id)
            differences.append(float(np.abs(one.scores - other.scores).max()))
    return Agreement(len(clips), len(differences), same, max(differences))


def _check_untouched(original: OnnxBackend, source: Path) -> None:
    metadata = original.metadata
    if metadata.precision != FLOAT32:
        raise ModelError(f"{source} is quantised already, to {metadata.precision}; quantise what it was made from")
    if metadata.tuned_for:
        raise ModelError(f"{source} is tuned, for {metadata.tuned_for}; quantise what it was made from, then tune that")


def _pack_weights(model: ModelProto, precision: str) -> None:
    """Replace float32 weights by smaller ones and the operators that unpack them."""
    stored: List[TensorProto] = []
    nodes: List[NodeProto] = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < FEWEST_VALUES:
            stored.append(weight)
            continue
        steps = _int8_steps(values) if precision == INT8 else None
        tensors, unpacking = _packed_int8(weight.name, *steps) if steps else _packed_float16(weight, values)
        stored += tensors
        nodes += unpacking
    nodes += model.graph.node
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(stored)
    model.graph.node.extend(nodes)


def _packed_float16(weight: TensorProto, values: np.ndarray) -> Tuple[List[TensorProto], List[NodeProto]]:
    if float(np.abs(values).max()) > LARGEST_FLOAT16:
        return [weight], []
    packed = numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.{FLOAT16}")
    return [packed], [helper.make_node("Cast", [packed.name], [weight.name], name=weight.name, to=TensorProto.FLOAT)]


def _int8_steps(values: np.ndarray) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    exact = exact_int8(values)
    return rounded_to_int8(values) if exact is None and values.size >= MANY_VALUES else exact


def _packed_int8(name: str, steps: np.ndarray, scales: np.ndarray) -> Tuple[List[TensorProto], List[NodeProto]]:
    """Plain operators, as ONNX Runtime would keep a DequantizeLinear and convolve in the plain layout behind it."""
    packed = numpy_helper.from_array(steps, f"{name}.{INT8}")
    scale = numpy_helper.from_array(scales, f"{name}.scale")
    wide = f"{name}.steps"
    cast = helper.make_node("Cast", [packed.name], [wide], name=wide, to=TensorProto.FLOAT)
    return [packed, scale], [cast, helper.make_node("Mul", [wide, scale.name], [name], name=name)]


def exact_int8(values: np.ndarray) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    """Float weights (out, ...) -> int8 steps (out, ...) and one float32 scale (1, ...) that give them again, or None.

    There is such a scale where the weights were int8 before, with one scale for the tensor: the smallest difference of
    two magnitudes, which so many weights share that two of them are neighbours.
    """
    magnitudes = np.unique(np.abs(values.astype(np.float64)))
    largest = magnitudes[-1]
    gaps = np.diff(magnitudes, prepend=0)
    if largest == 0:
        return None
    scale = np.float32(largest / np.rint(largest / gaps[gaps > 0].min()))
    steps = np.rint(values / scale)
    fits = steps.min() >= -INT8_STEPS - 1 and steps.max() <= INT8_STEPS
    if not fits or np.abs(values - steps * scale).max() > ROUND_OFF * largest:
        return None
    return steps.astype(np.int8), np.full((1,) * values.ndim, scale)


def rounded_to_int8(values: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Float weights (out, ...) -> int8 steps (out, ...) and float32 scales (out, 1, ...), to be multiplied again.

    The steps of an output channel keep its sum, to half a step: those that rounding decided most narrowly go the other
    way. Inputs behind a Relu are never negative, so that errors of one sign would add up to a shift of the output.
    """
    rows = values.reshape(len(values), -1).astype(np.float64)
    scales = (np.abs(rows).max(axis=1, keepdims=True) / INT8_STEPS).astype(np.float32)
    scales[scales == 0] = 1
    exact = rows / scales
    steps = np.rint(exact)
    rest = exact - steps
    missing = np.rint(rest.sum(axis=1, keepdims=True))
    rank = np.argsort(np.argsort(-rest * np.sign(missing), axis=1), axis=1)
    steps += np.sign(missing) * (rank < np.abs(missing))
    return steps.astype(np.int8).reshape(values.shape), scales.reshape(-1, *[1] * (values.ndim - 1))


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
