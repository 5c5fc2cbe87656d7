"""Layers of the graphs, applied to one frame.

Each 3-D depthwise convolution is a sum of 2-D ones, one for each tap in time, as 3-D ones are slow in ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Tuple

import numpy as np
from torch import nn

from opendr_har_core.bundles.graphs.writer import ConvWeights, Feature, GraphWriter
from opendr_har_core.bundles.metadata import FEATURES, PROBABILITIES
from opendr_har_core.networks.layers import Head, ResidualBlock, SqueezeExcitation, Stem
from opendr_har_core.spec import ModelSpec

Array = np.ndarray

# ONNX Runtime's fast convolutions work on blocks of 8 or 16 channels; padding 54 or 108 with zeros is exact and cheap.
SMALL_BLOCK, LARGE_BLOCK = 8, 16


class TemporalTaps:
    """A depthwise convolution over k frames: y = bias + sum over j of w[j] x[j], oldest frame first."""

    def __init__(self, graph: GraphWriter, name: str, weight: Array, bias: Array, stride: int = 1) -> None:
        """`weight` is (C, 1, k, h, w), `stride` is in space."""
        self.graph = graph
        self._name = name
        self._stride = stride
        width, kernel = weight.shape[0], weight.shape[2]
        self.kernel = kernel
        self._taps = [graph.conv_weights(f"{name}.tap{j}", weight[:, :, j], groups=width) for j in range(kernel)]
        self._bias = graph.weight(f"{name}.bias", bias)

    def apply(self, tap: int, x: Feature, tag: str, plus: Optional[Feature] = None, bias: bool = False) -> Feature:
        """Tap `tap` of `x`, plus the bias and `plus` if given; ONNX Runtime adds within the convolution."""
        name = f"{self._name}.{tag}{tap}"
        weights = replace(self._taps[tap], bias=self._bias) if bias else self._taps[tap]
        y = self.graph.conv(x, weights, name, self._stride)
        return y if plus is None else self.graph.combine("Add", y, plus, f"{name}.sum")


class StemLayers:
    """First layers, from standardized pixels to features."""

    def __init__(self, graph: GraphWriter, stem: Stem, spec: ModelSpec) -> None:
        self._graph = graph
        self._mean = graph.weight("mean", np.array(spec.mean, np.float32).reshape(3, 1, 1) * 255)
        scale = (255 * np.array(spec.std, np.float32)).reshape(1, 3, 1, 1)
        self._spatial = graph.conv_weights("s1.conv_xy", _to_numpy(stem.conv_xy.weight)[:, :, 0] / scale)
        weight, bias = _folded(stem.conv, stem.bn)
        self.temporal = TemporalTaps(graph, "s1.conv", weight[:, :, : stem.conv.taps], bias)

    def spatial(self, images: str, side: int, tag: str = "") -> Feature:
        """uint8 (N, S, S, 3) -> (N, C, S/2, S/2), before the convolution over time.

        The one standardization of a bundle: the mean is subtracted from the pixels, so that zero padding is the mean
        colour, as in training; the standard deviation is part of the weights.
        """
        graph = self._graph
        planes = graph.apply("Transpose", images, name=f"frames{tag}.planes", perm=[0, 3, 1, 2])
        pixels = graph.apply("Cast", planes, name=f"frames{tag}.float", to=1)
        centred = Feature(graph.apply("Sub", pixels, self._mean, name=f"frames{tag}.centred"), 3, side)
        return graph.conv(centred, self._spatial, f"s1.conv_xy{tag}", stride=2)


class BlockLayers:
    """A residual block, in parts that clips and streams combine differently."""

    def __init__(self, graph: GraphWriter, name: str, block: ResidualBlock, pooled_frames: int) -> None:
        """`pooled_frames` is the number of frames that the attention pools over."""
        self._graph = graph
        self._name = name
        self.stride = block.stride
        layers = block.branch2
        self.inner_width = _aligned(layers.b.in_channels)
        self.width = layers.c.out_channels
        weight, bias = _folded(layers.a, layers.a_bn)
        expand = _filled(weight[:, :, 0], self.inner_width), _filled(bias, self.inner_width)
        self._expand = graph.conv_weights(f"{name}.branch2.a", *expand)
        weight, bias = _folded(layers.b, layers.b_bn)
        taps = _filled(weight[:, :, : layers.b.taps], self.inner_width), _filled(bias, self.inner_width)
        self.temporal = TemporalTaps(graph, f"{name}.branch2.b", *taps, block.stride)
        weight, bias = _folded(layers.c, layers.c_bn)
        project = _filled(weight[:, :, 0], inputs=self.inner_width)
        self._project = graph.conv_weights(f"{name}.branch2.c", project, bias)
        self._attention = (
            Attention(graph, f"{name}.branch2.se", layers.se, self.inner_width, pooled_frames)
            if layers.has_attention
            else None
        )
        self._shortcut: Optional[ConvWeights] = None
        if block.has_projection:
            weight, bias = _folded(block.branch1, block.branch1_bn)
            self._shortcut = graph.conv_weights(f"{name}.branch1", weight[:, :, 0], bias)

    def expand(self, x: Feature, tag: str = "") -> Feature:
        """Input of the convolution over time."""
        y = self._graph.conv(x, self._expand, f"{self._name}.branch2.a{tag}")
        return self._graph.map("Relu", y, f"{y.name}.relu")

    def attend(self, frames: List[Feature]) -> List[Feature]:
        """Squeeze-and-excitation over the given frames, if the block has it."""
        return self._attention.apply(frames) if self._attention else frames

    def merge(self, y: Feature, skipped: Feature, tag: str = "") -> Feature:
        """Output of the block, from the convolution over time and the shortcut."""
        graph = self._graph
        projected = graph.conv(graph.swish(y), self._project, f"{self._name}.branch2.c{tag}")
        total = graph.combine("Add", projected, skipped, f"{self._name}.sum{tag}")
        return graph.map("Relu", total, f"{self._name}.out{tag}")

    def shortcut(self, x: Feature, tag: str = "") -> Feature:
        """The input, projected if the shape changes."""
        if self._shortcut is None:
            return x
        return self._graph.conv(x, self._shortcut, f"{self._name}.branch1{tag}", self.stride)


class Attention:
    """Squeeze-and-excitation: a gate for each channel, from the mean over space and, for clips, time."""

    def __init__(self, graph: GraphWriter, name: str, layer: SqueezeExcitation, width: int, pooled_frames: int) -> None:
        self._graph = graph
        self._name = name
        weight, bias = _to_numpy(layer.fc1.weight)[:, :, 0], _to_numpy(layer.fc1.bias)
        squeezed = _aligned(weight.shape[0], LARGE_BLOCK)
        # The first layer gets a sum over frames; its weights divide by their number.
        squeeze = _filled(weight / np.float32(pooled_frames), squeezed, width), _filled(bias, squeezed)
        self._squeeze = graph.conv_weights(f"{name}.fc1", *squeeze)
        weight, bias = _to_numpy(layer.fc2.weight)[:, :, 0], _to_numpy(layer.fc2.bias)
        self._excite = graph.conv_weights(f"{name}.fc2", _filled(weight, width, squeezed), _filled(bias, width))

    def apply(self, frames: List[Feature]) -> List[Feature]:
        """Gate the frames by their common mean."""
        graph, name = self._graph, self._name
        pooled = [graph.pool(frame) for frame in frames]
        total = pooled[0]
        if len(pooled) > 1:
            names = [item.name for item in pooled]
            total = Feature(graph.apply("Sum", *names, name=f"{name}.pooled"), pooled[0].width, 1)
        hidden = graph.map("Relu", graph.conv(total, self._squeeze, f"{name}.fc1"), f"{name}.fc1.relu")
        gate = graph.map("Sigmoid", graph.conv(hidden, self._excite, f"{name}.fc2"), f"{name}.gate")
        # Spread out, the gate multiplies in the memory layout of the convolutions; broadcasting leaves it.
        spread = graph.spread(gate, frames[0].side)
        return [graph.combine("Mul", frame, spread, f"{frame.name}.gated") for frame in frames]


class HeadLayers:
    """From the last block to probabilities."""

    def __init__(self, graph: GraphWriter, head: Head) -> None:
        self._graph = graph
        self._head = head
        weight, bias = _folded(head.conv_5, head.conv_5_bn)
        self._widen = graph.conv_weights("head.conv_5", weight[:, :, 0], bias)
        self.width = self._widen.width

    def pooled(self, x: Feature, tag: str = "") -> Feature:
        """One frame's features, (N, width, 1, 1)."""
        wide = self._graph.conv(x, self._widen, f"head.conv_5{tag}")
        return self._graph.pool(self._graph.map("Relu", wide, f"{wide.name}.relu"))

    def classify(self, mean: str) -> None:
        """(N, width) features, averaged over time -> outputs of the graph."""
        graph, head = self._graph, self._head
        graph.output(FEATURES, mean, (self.width,))
        hidden = graph.linear(mean, "head.lin_5", _to_numpy(head.lin_5.weight).reshape(head.lin_5.out_channels, -1))
        hidden = graph.apply("Relu", hidden, name="head.lin_5.relu")
        projection = _to_numpy(head.projection.weight), _to_numpy(head.projection.bias)
        logits = graph.linear(hidden, "head.projection", *projection)
        probabilities = graph.apply("Softmax", logits, name="head.softmax", axis=1)
        graph.output(PROBABILITIES, probabilities, (head.projection.out_features,))


def _folded(conv: nn.Conv3d, norm: nn.BatchNorm3d) -> Tuple[Array, Array]:
    """Weights (out, in/groups, kt, k, k) and bias (out,) of a convolution with the normalisation behind it."""
    scale = _to_numpy(norm.weight) / np.sqrt(_to_numpy(norm.running_var) + norm.eps)
    weight = _to_numpy(conv.weight) * scale[:, None, None, None, None]
    return weight.astype(np.float32), (_to_numpy(norm.bias) - _to_numpy(norm.running_mean) * scale).astype(np.float32)


def _aligned(channels: int, block: int = SMALL_BLOCK) -> int:
    """`channels` rounded up to whole blocks."""
    return -(-channels // block) * block


def _filled(values: Array, outputs: Optional[int] = None, inputs: Optional[int] = None) -> Array:
    """An array (out, in, ...) or (out,), padded with zeros to `outputs` and `inputs` channels."""
    padding = [(0, 0)] * values.ndim
    if outputs is not None:
        padding[0] = (0, outputs - values.shape[0])
    if inputs is not None:
        padding[1] = (0, inputs - values.shape[1])
    return np.pad(values, padding)


def _to_numpy(tensor: object) -> Array:
    """A parameter's values."""
    values: Array = tensor.detach().cpu().numpy()  # type: ignore[attr-defined]
    return values
