"""The models that can be benchmarked: the published networks by name, and bundles by path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

from opendr_har_core.bundles.graph_cost import graph_cost
from opendr_har_core.benchmarking.report import Model
from opendr_har_core.benchmarking.runners import input_shape, open_bundle
from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import CLIP, CONTINUAL, ModelSpec
from opendr_har_core.streaming.recognizer import bundle_path

if TYPE_CHECKING:
    from opendr_har_core.networks.x3d import X3D

SIZES = ("xs", "s", "m", "l")
NAMES = tuple(f"{architecture}_{size}" for architecture in (CLIP, CONTINUAL) for size in SIZES)
TORCH, ONNX = "torch", "onnx"
RUNTIMES = (TORCH, ONNX)
RANDOM = "random weights"
NETWORK, GRAPH = "network", "graph"


@dataclass(frozen=True)
class Subject:
    """One model on one runtime: `place` is a bundle's path, or a published name for a network in PyTorch."""

    model: Model
    runtime: str
    place: str


def random_network(name: str) -> X3D:
    """The published network called `name` with random weights; raises ConfigError without PyTorch."""
    try:
        from opendr_har_core.networks.config import x3d_config
        from opendr_har_core.networks.cox3d import CoX3D
        from opendr_har_core.networks.x3d import X3D
    except ImportError as error:
        raise ConfigError(
            f"{name} needs torch to be made with random weights ({error}); pip install 'opendr_har_ros[train]', "
            "or benchmark a bundle of your own with --model FILE.onnx"
        ) from None
    architecture, size = name.split("_")
    return (CoX3D if architecture == CONTINUAL else X3D)(x3d_config(size))


def published_subjects(name: str, runtimes: Tuple[str, ...], folder: Path) -> Tuple[Subject, ...]:
    """A published network on each runtime; its bundle is written into `folder`."""
    network = random_network(name)
    model = _model_of(network, RANDOM)
    subjects = []
    for runtime in runtimes:
        place = name if runtime == TORCH else str(_exported(network, folder / f"{name}.onnx"))
        subjects.append(Subject(model, runtime, place))
    return tuple(subjects)


def bundle_subject(path: str) -> Subject:
    """A bundle on ONNX Runtime; raises ModelError where it can't be opened."""
    return Subject(describe_bundle(path), ONNX, str(bundle_path(path)))


def describe_bundle(path: str) -> Model:
    """What a bundle is.

    Its cost is that of the published network it is, where there is PyTorch to build that, or else is counted in its
    graph, where `onnx` is installed and knows all operators.
    """
    recognizer = open_bundle(path)
    spec = recognizer.spec
    network = _published(spec)
    if network is not None:
        return _model_of(network, recognizer.source)
    parameters, multiply_adds = graph_cost(bundle_path(path)) or (None, None)
    counted_in: Optional[str] = GRAPH if parameters is not None else None
    return Model(spec.name, recognizer.source, tuple(input_shape(spec)), parameters, multiply_adds, counted_in)


def _published(spec: ModelSpec) -> Optional[X3D]:
    """The published network with this spec, without values; None where it is another or there is no PyTorch."""
    if spec.name not in NAMES:
        return None
    try:
        import torch

        from opendr_har_core.networks.config import x3d_config
        from opendr_har_core.networks.cox3d import CoX3D
        from opendr_har_core.networks.x3d import X3D
    except ImportError:
        return None
    config = x3d_config(spec.size, spec.lookahead)
    with torch.device("meta"):
        network = X3D(config, spec.num_classes)
        if spec.is_continual:
            network = CoX3D(config, spec.num_classes, spec.window)
    return network if network.spec == spec else None


def _model_of(network: X3D, source: str) -> Model:
    from opendr_har_core.networks.counting import evaluation_cost

    cost = evaluation_cost(network)
    shape = tuple(input_shape(network.spec))
    return Model(network.spec.name, source, shape, cost.parameters, cost.multiply_adds, NETWORK)


def _exported(network: X3D, path: Path) -> Path:
    try:
        from opendr_har_core.bundles.export import export_bundle
    except ImportError as error:
        raise ConfigError(
            f"a bundle with random weights needs onnx ({error}); pip install 'opendr_har_ros[train]', "
            "or leave ONNX Runtime out with --runtimes torch"
        ) from None
    return export_bundle(network, path, source=RANDOM)
