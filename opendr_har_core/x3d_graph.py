"""X3D and CoX3D as ONNX graphs: uint8 RGB frames in, probabilities out.

Written operator by operator, not traced: batch normalisation and input scaling are folded into the convolutions, and
every 3-D depthwise convolution becomes 2-D ones, one for each step in time, because 3-D ones are slow in runtimes.
"""

from __future__ import annotations

from typing import Callable, Optional, Tuple

import numpy as np
from torch import nn

from opendr_har_core.bundle import FRAMES, NEXT, PROBABILITIES, STATE
from opendr_har_core.graph import Feature, GraphWriter
from opendr_har_core.networks.config import BLOCK_KERNEL, STEM_KERNEL
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.layers import Bottleneck, Head, ResidualBlock, SqueezeExcitation, Stem
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import ModelSpec

Array = np.ndarray
TemporalConv = Callable[[Feature, str, Array, Array, int], Feature]


def write_clip_graph(graph: GraphWriter, network: X3D) -> None:
    """X3D: uint8 (B, T, S, S, 3) clips -> float32 (B, num_classes). Frames lie along the batch axis in between."""
    spec = network.spec
    side, frames = spec.image_size, spec.window
    clips = graph.input(FRAMES, "uint8", (frames, side, side, 3))
    images = graph.reshape(clips, (-1, side, side, 3), "frames.flat")

    def over_clip(x: Feature, name: str, taps: Array, bias: Array, stride: int) -> Feature:
        return _shifted_sum(graph, x, name, taps, bias, stride, frames)

    x = _stem(graph, network.stem, _centred(graph, images, spec), spec, over_clip)
    for name, block in network.blocks():
        y = _bottleneck(graph, f"{name}.branch2", block.branch2, block.stride, x, over_clip, frames)
        x = graph.relu(graph.add(_shortcut(graph, name, block, x), y, f"{name}.sum"))
    features = graph.reshape(
        _pooled(graph, network.head, x), (-1, frames, network.head.conv_5.out_channels), "features"
    )
    _classifier(graph, network.head, features)


def write_step_graph(graph: GraphWriter, network: CoX3D) -> None:
    """CoX3D: uint8 (B, S, S, 3) frames and states -> float32 (B, num_classes) and the next states, zeros at first.

    The state of a temporal convolution is what its next outputs already got from past inputs (partial sums).
    """
    spec = network.spec
    side = spec.image_size
    images = graph.input(FRAMES, "uint8", (side, side, 3))
    blocks = list(network.blocks())
    delays = [STEM_KERNEL // 2 + index * (BLOCK_KERNEL // 2) for index in range(len(blocks))]
    valid = _validity(graph, [name for name, _ in blocks], delays)

    def stem_conv(x: Feature, name: str, taps: Array, bias: Array, stride: int) -> Feature:
        return _partial_sums(graph, x, name, taps, bias, stride)

    x = _stem(graph, network.stem, _centred(graph, images, spec), spec, stem_conv)
    for name, block in blocks:

        def block_conv(
            h: Feature, name: str, taps: Array, bias: Array, stride: int, gate: str = valid[name]
        ) -> Feature:
            gated = Feature(graph.apply("Mul", h.name, gate, name=f"{name}.gated"), h.width, h.side)
            return _partial_sums(graph, gated, name, taps, bias, stride)

        y = _bottleneck(graph, f"{name}.branch2", block.branch2, block.stride, x, block_conv, frames=1)
        skipped = _state(graph, f"{name}.skipped", (y.width, y.side, y.side))
        _next(graph, f"{name}.skipped", _shortcut(graph, name, block, x).name, (y.width, y.side, y.side))
        x = graph.relu(graph.add(Feature(skipped, y.width, y.side), y, f"{name}.sum"))
    _classifier(graph, network.head, _sliding_window(graph, network, _pooled(graph, network.head, x)))


def _centred(graph: GraphWriter, images: str, spec: ModelSpec) -> Feature:
    """uint8 (N, S, S, 3) -> float (N, 3, S, S) with the mean taken off; the stem's weights do the scaling.

    Taking the mean off first keeps zero padding what it was in training: the mean colour.
    """
    planes = graph.apply("Transpose", images, name="frames.planes", perm=[0, 3, 1, 2])
    pixels = graph.apply("Cast", planes, name="frames.float", to=1)
    mean = graph.weight("mean", np.array(spec.mean, np.float32).reshape(3, 1, 1) * 255)
    return Feature(graph.apply("Sub", pixels, mean, name="frames.centred"), 3, spec.image_size)


def _stem(graph: GraphWriter, stem: Stem, x: Feature, spec: ModelSpec, temporal: TemporalConv) -> Feature:
    scale = (255 * np.array(spec.std, np.float32)).reshape(1, 3, 1, 1)
    x = graph.conv(x, "s1.conv_xy", _numpy(stem.conv_xy.weight)[:, :, 0] / scale, stride=2)
    weight, bias = _folded(stem.conv, stem.bn)
    return graph.relu(temporal(x, "s1.conv", weight, bias, 1))


def _bottleneck(
    graph: GraphWriter, name: str, layers: Bottleneck, stride: int, x: Feature, temporal: TemporalConv, frames: int
) -> Feature:
    weight, bias = _folded(layers.a, layers.a_bn)
    inner = graph.relu(graph.conv(x, f"{name}.a", weight[:, :, 0], bias))
    y = temporal(inner, f"{name}.b", *_folded(layers.b, layers.b_bn), stride)
    if layers.has_attention:
        y = _attention(graph, f"{name}.se", layers.se, y, frames)
    weight, bias = _folded(layers.c, layers.c_bn)
    return graph.conv(graph.swish(y), f"{name}.c", weight[:, :, 0], bias)


def _attention(graph: GraphWriter, name: str, layer: SqueezeExcitation, x: Feature, frames: int) -> Feature:
    """Squeeze-and-excitation, pooled over the `frames` frames of each clip."""
    clip_shape = (-1, frames, x.width, x.side, x.side)
    clips = graph.reshape(x.name, clip_shape, f"{name}.clips") if frames > 1 else x.name
    axes, scale_shape = ([1, 3, 4], (-1, 1, x.width, 1, 1)) if frames > 1 else ([2, 3], (-1, x.width, 1, 1))
    pooled = graph.apply("ReduceMean", clips, name=f"{name}.pooled", axes=axes, keepdims=0)
    hidden = graph.linear(pooled, f"{name}.fc1", *_linear(layer.fc1))
    hidden = graph.apply("Relu", hidden, name=f"{name}.fc1.relu")
    scale = graph.linear(hidden, f"{name}.fc2", *_linear(layer.fc2))
    scale = graph.apply("Sigmoid", scale, name=f"{name}.scale.flat")
    scale = graph.reshape(scale, scale_shape, f"{name}.scale")
    scaled = graph.apply("Mul", clips, scale, name=f"{name}.scaled")
    if frames > 1:
        scaled = graph.reshape(scaled, (-1, x.width, x.side, x.side), f"{name}.frames")
    return Feature(scaled, x.width, x.side)


def _shortcut(graph: GraphWriter, name: str, block: ResidualBlock, x: Feature) -> Feature:
    if not block.has_projection:
        return x
    weight, bias = _folded(block.branch1, block.branch1_bn)
    return graph.conv(x, f"{name}.branch1", weight[:, :, 0], bias, block.stride)


def _shifted_sum(
    graph: GraphWriter, x: Feature, name: str, taps: Array, bias: Array, stride: int, frames: int
) -> Feature:
    """A depthwise convolution over clips, (C, 1, k, h, w) taps: the sum of 2-D ones, each shifted in time."""
    kernel = taps.shape[2]
    total: Optional[str] = None
    for index in range(kernel):
        offset = index - kernel // 2
        if abs(offset) >= frames:
            continue
        tap = graph.conv(x, f"{name}.tap{index}", taps[:, :, index], bias if offset == 0 else None, stride)
        shape = (-1, frames, tap.width, tap.side, tap.side)
        shifted = _shift(graph, graph.reshape(tap.name, shape, f"{tap.name}.clips"), offset, frames)
        total = shifted if total is None else graph.apply("Add", total, shifted, name=f"{name}.sum{index}")
    side = (x.side + stride - 1) // stride
    return Feature(graph.reshape(str(total), (-1, x.width, side, side), f"{name}.frames"), x.width, side)


def _shift(graph: GraphWriter, clips: str, offset: int, frames: int) -> str:
    """Frame t becomes what frame t + offset was; zeros come in at the ends."""
    if offset == 0:
        return clips
    start, stop = max(offset, 0), frames + min(offset, 0)
    kept = graph.apply(
        "Slice", clips, graph.integers([start]), graph.integers([stop]), graph.integers([1]), name=f"{clips}.kept"
    )
    pads = [0, max(-offset, 0), 0, 0, 0, 0, max(offset, 0), 0, 0, 0]
    return graph.apply("Pad", kept, graph.integers(pads), name=f"{clips}.shifted")


def _partial_sums(graph: GraphWriter, x: Feature, name: str, taps: Array, bias: Array, stride: int) -> Feature:
    """A depthwise convolution over a stream, (C, 1, k, h, w) taps.

    With y(t) = sum over j of w[j] x(t - k + 1 + j), the state `partial{j}` holds what the output due in j + 1 steps
    has so far. Each input is used once, in k spatial convolutions, and then forgotten.
    """
    kernel = taps.shape[2]
    convs = [
        graph.conv(x, f"{name}.tap{j}", taps[:, :, j], bias if j == kernel - 1 else None, stride) for j in range(kernel)
    ]
    width, side = convs[0].width, convs[0].side
    shape = (width, side, side)
    partials = [Feature(_state(graph, f"{name}.partial{j}", shape), width, side) for j in range(kernel - 1)]
    for j in range(kernel - 2):
        _next(
            graph, f"{name}.partial{j}", graph.add(partials[j + 1], convs[kernel - 2 - j], f"{name}.sum{j}").name, shape
        )
    _next(graph, f"{name}.partial{kernel - 2}", convs[0].name, shape)
    return graph.add(partials[0], convs[-1], f"{name}.sum")


def _validity(graph: GraphWriter, names: list, delays: list) -> dict:
    """For each block, 1 where its input is real and 0 where it must count as temporal padding; (B, 1, 1, 1) floats."""
    age = _state(graph, "age", (), "int64")
    _next(graph, "age", graph.apply("Add", age, graph.integers([1]), name="age.next"), (), "int64")
    aligned = graph.reshape(age, (-1, 1, 1, 1), "age.aligned")
    thresholds = graph.weight("delays", np.array(delays, np.int64).reshape(1, -1, 1, 1))
    reached = graph.apply("GreaterOrEqual", aligned, thresholds, name="age.reached")
    gates = graph.apply("Cast", reached, name="age.gates", to=1)
    outputs = [f"{name}.valid" for name in names]
    return dict(zip(names, graph.split(gates, [1] * len(names), 1, outputs)))


def _pooled(graph: GraphWriter, head: Head, x: Feature) -> str:
    """(N, C, side, side) -> (N, inner) features."""
    weight, bias = _folded(head.conv_5, head.conv_5_bn)
    wide = graph.relu(graph.conv(x, "head.conv_5", weight[:, :, 0], bias))
    return graph.apply("ReduceMean", wide.name, name="head.pooled", axes=[2, 3], keepdims=0)


def _sliding_window(graph: GraphWriter, network: CoX3D, newest: str) -> str:
    """The features of the last `window` steps, (B, window, C). Their mean is taken anew each step: no drift."""
    width = network.head.conv_5.out_channels
    newest = graph.reshape(newest, (-1, 1, width), "head.newest")
    if network.window == 1:
        return newest
    kept = (network.window - 1, width)
    past = _state(graph, "head.features", kept)
    window = graph.apply("Concat", past, newest, name="head.window", axis=1)
    bounds = [graph.integers([value]) for value in (1, network.window, 1)]
    _next(graph, "head.features", graph.apply("Slice", window, *bounds, name="head.features.kept"), kept)
    return window


def _classifier(graph: GraphWriter, head: Head, features: str) -> None:
    """(B, T, C) features -> the graph's output."""
    mean = graph.apply("ReduceMean", features, name="head.mean", axes=[1], keepdims=0)
    hidden = graph.linear(mean, "head.lin_5", _linear(head.lin_5)[0])
    hidden = graph.apply("Relu", hidden, name="head.lin_5.relu")
    projection = head.projection
    logits = graph.linear(hidden, "head.projection", _numpy(projection.weight), _numpy(projection.bias))
    probabilities = graph.apply("Softmax", logits, name="head.softmax", axis=1)
    graph.output(PROBABILITIES, probabilities, "float32", (projection.out_features,))


def _state(graph: GraphWriter, name: str, shape: Tuple[int, ...], dtype: str = "float32") -> str:
    return graph.input(STATE + name, dtype, shape)


def _next(graph: GraphWriter, name: str, tensor: str, shape: Tuple[int, ...], dtype: str = "float32") -> None:
    graph.output(NEXT + name, tensor, dtype, shape)


def _folded(conv: nn.Conv3d, norm: nn.BatchNorm3d) -> Tuple[Array, Array]:
    """Weights and bias of a convolution with the normalisation behind it worked in."""
    scale = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var) + norm.eps)
    weight = _numpy(conv.weight) * scale[:, None, None, None, None]
    return weight.astype(np.float32), (_numpy(norm.bias) - _numpy(norm.running_mean) * scale).astype(np.float32)


def _linear(conv: nn.Conv3d) -> Tuple[Array, Optional[Array]]:
    """A 1x1x1 convolution as the weights (out, in) and bias of a linear layer."""
    return _numpy(conv.weight).reshape(conv.out_channels, -1), None if conv.bias is None else _numpy(conv.bias)


def _numpy(tensor: object) -> Array:
    values: Array = tensor.detach().cpu().numpy()  # type: ignore[attr-defined]
    return values
