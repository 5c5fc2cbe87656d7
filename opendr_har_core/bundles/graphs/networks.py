"""Graphs of an X3D over clips, and of a CoX3D that takes a frame and the state, and gives the next state."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

import numpy as np

from opendr_har_core.bundles.graphs.layers import BlockLayers, HeadLayers, StemLayers, TemporalTaps
from opendr_har_core.bundles.graphs.writer import Feature, GraphWriter
from opendr_har_core.bundles.metadata import ENTERING, FRAMES, NEXT, STATE
from opendr_har_core.networks.config import BLOCK_KERNEL, STEM_KERNEL
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D


def write_clip_graph(graph: GraphWriter, network: X3D) -> None:
    """X3D: uint8 (B, T, S, S, 3) RGB clips -> float32 (B, num_classes) probabilities and (B, F) features.

    The clip is unrolled in time: each frame is a separate tensor that fits into the processor's cache. Taps beyond the
    ends of the clip are omitted, so nothing is padded, shifted or copied.
    """
    spec = network.spec
    side, count = spec.image_size, spec.window
    clips = graph.input(FRAMES, "uint8", (count, side, side, 3))
    stem = StemLayers(graph, network.stem, spec)
    images = [
        graph.reshape(piece, (-1, side, side, 3), f"{piece}.image")
        for piece in graph.split(clips, [1] * count, axis=1, name="frame")
    ]
    frames = [stem.spatial(image, side, f"@{t}") for t, image in enumerate(images)]
    frames = [graph.map("Relu", y, f"s1.out@{t}") for t, y in enumerate(_over_time(stem.temporal, frames))]
    for name, block in network.blocks():
        frames = _clip_block(BlockLayers(graph, name, block, count), frames)
    head = HeadLayers(graph, network.head)
    pooled = [head.pooled(frame, f"@{t}").name for t, frame in enumerate(frames)]
    mean = graph.apply("Mean", *pooled, name="head.mean")
    head.classify(graph.reshape(mean, (-1, head.width), "head.features"))


def _clip_block(layers: BlockLayers, frames: List[Feature]) -> List[Feature]:
    inner = [layers.expand(frame, f"@{t}") for t, frame in enumerate(frames)]
    gated = layers.attend(_over_time(layers.temporal, inner))
    return [
        layers.merge(y, layers.shortcut(frame, f"@{t}"), f"@{t}") for t, (y, frame) in enumerate(zip(gated, frames))
    ]


def _over_time(taps: TemporalTaps, frames: List[Feature]) -> List[Feature]:
    """The convolution at every frame of the clip."""
    outputs = []
    for t in range(len(frames)):
        total: Optional[Feature] = None
        for tap in range(taps.kernel):
            source = t + tap - taps.kernel // 2
            if 0 <= source < len(frames):
                total = taps.apply(tap, frames[source], f"@{t}.", total, bias=total is None)
        outputs.append(total)
    return [output for output in outputs if output is not None]


def write_step_graph(graph: GraphWriter, network: CoX3D) -> Dict[str, int]:
    """CoX3D: uint8 (B, S, S, 3) frames and states -> float32 (B, num_classes), (B, F) features and next states.

    Returns the delays: for each queue of the state that must stay zero at first, the number of steps. With lookahead, a
    higher layer gets its first real input later than those below it; earlier inputs count as temporal padding, that is
    zeros. Without lookahead, there are no delays.
    """
    spec = network.spec
    queues = _Queues(graph)
    images = graph.input(FRAMES, "uint8", (spec.image_size, spec.image_size, 3))
    stem = StemLayers(graph, network.stem, spec)
    x = _buffered(stem.temporal, stem.spatial(images, spec.image_size), queues, "s1.conv", 0)
    x = graph.map("Relu", x, "s1.out")
    looks_ahead = network.config.delay > 0
    for index, (name, block) in enumerate(network.blocks()):
        delay = STEM_KERNEL // 2 + index * (BLOCK_KERNEL // 2) if looks_ahead else 0
        layers = BlockLayers(graph, name, block, pooled_frames=1)
        over_time = _buffered if layers.stride == 1 else _partial_sums
        y = over_time(layers.temporal, layers.expand(x), queues, f"{name}.branch2.b", delay)
        shortcut = layers.shortcut(x)
        if looks_ahead:
            shortcut = _delayed(graph, shortcut, queues, f"{name}.skipped")
        (gated,) = layers.attend([y])
        x = layers.merge(gated, shortcut)
    head = HeadLayers(graph, network.head)
    newest = graph.reshape(head.pooled(x).name, (-1, 1, head.width), "head.newest")
    average = _window_mean if looks_ahead else _mean_so_far
    head.classify(average(graph, network.window, head.width, newest))
    return queues.delays


class _Queues:
    """Declares the state: first-in-first-out queues of tensors, see backends/state_buffers.py."""

    def __init__(self, graph: GraphWriter) -> None:
        self._graph = graph
        self.delays: Dict[str, int] = {}

    def read(self, name: str, shape: Sequence[int], depth: int, delay: int) -> List[Feature]:
        """Declare a queue of (width, side, side) tensors that stays zero for `delay` steps; newest first."""
        width, side, _ = shape
        if delay:
            self.delays[name] = delay
        inputs = [self._graph.input(f"{STATE}{name}.{age}", "float32", shape) for age in range(depth)]
        return [Feature(tensor, width, side) for tensor in inputs]

    def put(self, name: str, value: Feature) -> None:
        """Declare what enters the queue in this step."""
        self._graph.output(f"{NEXT}{name}", value.name, value.shape)


def _delayed(graph: GraphWriter, shortcut: Feature, queues: _Queues, name: str) -> Feature:
    """The shortcut of the previous frame, where the convolution next to it has its centre."""
    (skipped,) = queues.read(name, shortcut.shape, depth=1, delay=0)
    queues.put(name, shortcut)
    return _entering(graph, skipped)


def _buffered(taps: TemporalTaps, x: Feature, queues: _Queues, name: str, delay: int) -> Feature:
    """A convolution over time whose state is its past inputs: the smallest state if the output has the same size."""
    past = queues.read(name, x.shape, taps.kernel - 1, delay)
    queues.put(name, x)
    total = taps.apply(0, past[-1], "tap", bias=True)
    for tap in range(1, taps.kernel - 1):
        total = taps.apply(tap, past[taps.kernel - 2 - tap], "tap", total)
    return taps.apply(taps.kernel - 1, x, "tap", total)


def _partial_sums(taps: TemporalTaps, x: Feature, queues: _Queues, name: str, delay: int) -> Feature:
    """A convolution over time whose state is the partial sums of its next outputs: smaller if the output is smaller."""
    last = taps.kernel - 1
    side = (x.side + 1) // 2
    shape = (x.width, side, side)
    names = [f"{name}.partial{index}" for index in range(last)]
    sums = [_entering(taps.graph, queues.read(partial, shape, 1, delay)[0]) for partial in names]
    for index, partial in enumerate(names):
        plus = sums[index + 1] if index + 1 < last else None
        queues.put(partial, taps.apply(last - 1 - index, x, "tap", plus))
    return taps.apply(last, x, "tap", sums[0], bias=True)


def _entering(graph: GraphWriter, state: Feature) -> Feature:
    """Multiply a state by one, in a depthwise 1x1 convolution.

    This brings it into the memory layout of ONNX Runtime's convolutions, so that the next convolution can add it.
    Adding a bare input would take the convolution's result out of that layout.
    """
    ones = graph.conv_weights(f"ones.{state.width}", np.ones((state.width, 1, 1, 1), np.float32), groups=state.width)
    return graph.conv(state, ones, f"{state.name}{ENTERING}")


def _window_mean(graph: GraphWriter, window: int, width: int, newest: str) -> str:
    """The mean of the features of the last `window` steps, (B, C)."""
    features = _sliding_window(graph, window, width, newest)
    return graph.apply("ReduceMean", features, name="head.mean", axes=[1], keepdims=0)


def _mean_so_far(graph: GraphWriter, window: int, width: int, newest: str) -> str:
    """The mean over the steps so far, up to `window`.

    A one next to each step's features counts the steps: the state starts with zeros, which count nothing.
    """
    one = graph.weight("one", np.float32(1))
    counted = graph.apply("Pad", newest, graph.integers([0, 0, 0, 0, 0, 1]), one, name="head.counted")
    features = _sliding_window(graph, window, width + 1, counted)
    total = graph.apply("ReduceSum", features, graph.integers([1]), name="head.total", keepdims=0)
    summed, steps = graph.split(total, (width, 1), axis=1, name="head.total.part")
    return graph.apply("Div", summed, steps, name="head.mean")


def _sliding_window(graph: GraphWriter, window: int, width: int, newest: str) -> str:
    """Features of the last `window` steps, (B, window, C). Each step sums them again: no drift."""
    if window == 1:
        return newest
    kept = (window - 1, width)
    past = graph.input(f"{STATE}head.features.0", "float32", kept)
    features = graph.apply("Concat", past, newest, name="head.window", axis=1)
    bounds = [graph.integers([value]) for value in (1, window, 1)]
    graph.output(f"{NEXT}head.features", graph.apply("Slice", features, *bounds, name="head.features.kept"), kept)
    return features
