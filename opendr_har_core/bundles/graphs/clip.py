"""Graph of an X3D over clips.

The clip is unrolled in time: each frame is a separate tensor that fits into the processor's cache. Taps beyond the ends
of the clip are omitted, so nothing is padded, shifted or copied.
"""

from __future__ import annotations

from typing import List, Optional

from opendr_har_core.bundles.graphs.layers import BlockLayers, HeadLayers, StemLayers, TemporalTaps
from opendr_har_core.bundles.graphs.writer import Feature, GraphWriter
from opendr_har_core.bundles.metadata import FRAMES
from opendr_har_core.networks.x3d import X3D


def write_clip_graph(graph: GraphWriter, network: X3D) -> None:
    """X3D: uint8 (B, T, S, S, 3) RGB clips -> float32 (B, num_classes) probabilities."""
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
        frames = _block(BlockLayers(graph, name, block, count), frames)
    head = HeadLayers(graph, network.head)
    pooled = [head.pooled(frame, f"@{t}").name for t, frame in enumerate(frames)]
    mean = graph.apply("Mean", *pooled, name="head.mean")
    head.classify(graph.reshape(mean, (-1, head.width), "head.features"))


def _block(layers: BlockLayers, frames: List[Feature]) -> List[Feature]:
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
