"""A learner's network on ONNX Runtime, exported again whenever it has changed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import List, Optional, Tuple, Union

from torch import Tensor

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.session import ort
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.x3d import X3D

GPU_PROVIDER, CPU_PROVIDER = "CUDAExecutionProvider", "CPUExecutionProvider"


class Snapshot:
    """State of a network at one moment; `holds` checks in a fraction of a step's time whether it has changed.

    PyTorch counts the changes of every tensor. The snapshot keeps the network, so that no other one can have the same
    addresses.
    """

    def __init__(self, network: X3D, labels: LabelMap) -> None:
        self._network, self._labels = network, labels
        self._tensors: List[Tensor] = [*network.parameters(), *network.buffers()]
        self._classifier = network.head.projection
        self._counts = self._count()

    def holds(self, network: X3D, labels: LabelMap) -> bool:
        """Whether it is this network, with the same weights, classifier and labels."""
        return (
            network is self._network
            and network.head.projection is self._classifier
            and labels == self._labels
            and self._count() == self._counts
        )

    def _count(self) -> List[Tuple[int, int]]:
        return [(tensor.data_ptr(), tensor._version) for tensor in self._tensors]


class OptimisedModel:
    """The exported graph, in a temporary folder of its own that is deleted with this object."""

    def __init__(self, temp_path: Union[str, Path], device: str) -> None:
        """`temp_path` is the parent of that folder, "" for the system's; raises ConfigError if it can't be created."""
        try:
            if temp_path:
                Path(temp_path).mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(prefix="har_", dir=temp_path or None)
        except OSError as error:
            raise ConfigError(f"temp_path is {str(temp_path)!r}, which can't be written: {error}") from None
        self._providers = _providers(device)
        self._made_from: Optional[Snapshot] = None
        self._backend: Optional[OnnxBackend] = None
        self._path: Optional[Path] = None

    def backend(self, network: Optional[X3D], labels: LabelMap) -> OnnxBackend:
        """The graph of `network` in its current state; without a network, that of the opened file."""
        if network is not None and (self._made_from is None or not self._made_from.holds(network, labels)):
            self._export(network, labels)
        if self._backend is None:
            raise ConfigError("there is no torch network to export; load weights, or call init_model()")
        return self._backend

    def bundle(self, network: Optional[X3D], labels: LabelMap) -> Optional[Path]:
        """The file behind `backend`."""
        self.backend(network, labels)
        return self._path

    def open(self, path: Path) -> OnnxBackend:
        """Use a bundle; raises ModelError if the file is not one."""
        self._backend, self._path = OnnxBackend(path, self._providers), path
        return self._backend

    def _export(self, network: X3D, labels: LabelMap) -> None:
        made_from = Snapshot(network, labels)
        was_training = network.training
        path = Path(self._folder.name) / f"{network.spec.name}.onnx"
        export_bundle(network.eval(), path, labels, source="a learner's weights")
        network.train(was_training)
        self._backend, self._path, self._made_from = OnnxBackend(path, self._providers), path, made_from


def _providers(device: str) -> Optional[List[str]]:
    if device == "cuda" and GPU_PROVIDER in ort.get_available_providers():
        return [GPU_PROVIDER, CPU_PROVIDER]
    return None
