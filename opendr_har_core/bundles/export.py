"""Export of a trained network as an `.onnx` bundle."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Optional, Union

from opendr_har_core.bundles.graphs.networks import write_clip_graph, write_step_graph
from opendr_har_core.bundles.graphs.writer import GraphWriter, write_model
from opendr_har_core.bundles.metadata import BundleMetadata
from opendr_har_core.errors import ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D

PRODUCER = "opendr_har_core"
SUFFIX = ".onnx"


def export_bundle(
    network: X3D,
    path: Union[str, Path],
    labels: Optional[LabelMap] = None,
    *,
    source: str,
    weights_sha256: Optional[str] = None,
) -> Path:
    """Write `network` (X3D or CoX3D) as a bundle, atomically, and return its path.

    For `labels` see `LabelMap.numbered`. `source` is the origin of the weights, as text for people; `weights_sha256` is
    the digest of their file, by default that of the weights themselves. Raises ModelError for another suffix than .onnx
    or a folder that can't be written, LabelError for labels that do not match.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ModelError(f"a bundle is written to a file named *{SUFFIX}, got {path}")
    names = LabelMap.numbered(network.num_classes, labels)
    digest = weights_sha256 or weights_digest(network)
    metadata = BundleMetadata(network.spec, names, source, digest, features=network.head.conv_5.out_channels)
    graph = GraphWriter()
    if isinstance(network, CoX3D):
        metadata = replace(metadata, delays=write_step_graph(graph, network))
    else:
        write_clip_graph(graph, network)
    return write_model(graph.model(metadata.to_properties(), (PRODUCER, "1")), path)


def weights_digest(network: X3D) -> str:
    """Hex sha256 of the names and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
