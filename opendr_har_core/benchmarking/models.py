"""The models that can be benchmarked: the published networks by name, and bundles by path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Tuple

from opendr_har_core.benchmarking.report import Model
from opendr_har_core.benchmarking.runners import input_shape, open_bundle
from opendr_har_core.bundles.graph_cost import graph_cost
from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import CLIP, CONTINUAL
from opendr_har_core.streaming.recognizer import bundle_path

if TYPE_CHECKING:
    from opendr_har_core.networks.x3d import X3D

SIZES = ("xs", "s", "m", "l")
NAMES = tuple(f"{architecture}_{size}" for architecture in (CLIP, CONTINUAL) for size in SIZES)
TORCH, ONNX = "torch", "onnx"
RUNTIMES = (TORCH, ONNX)
RANDOM = "random weights"


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
    """A published network with random weights on each runtime; its bundle is written into `folder`."""
    path = str(_exported(random_network(name), folder / f"{name}.onnx"))
    model = describe_bundle(path)
    return tuple(Subject(model, runtime, name if runtime == TORCH else path) for runtime in runtimes)


def bundle_subject(path: str) -> Subject:
    """A bundle on ONNX Runtime; raises ModelError where it can't be opened."""
    return Subject(describe_bundle(path), ONNX, str(bundle_path(path)))


def describe_bundle(path: str) -> Model:
    """What a bundle is; its cost is None without the `onnx` package and for tuned bundles."""
    recognizer = open_bundle(path)
    spec = recognizer.spec
    parameters, multiply_adds = graph_cost(bundle_path(path)) or (None, None)
    return Model(spec.name, recognizer.source, tuple(input_shape(spec)), parameters, multiply_adds)


def _exported(network: X3D, path: Path) -> Path:
    try:
        from opendr_har_core.bundles.export import export_bundle
    except ImportError as error:
        raise ConfigError(
            f"a bundle with random weights needs onnx ({error}); pip install 'opendr_har_ros[train]', "
            "or benchmark a bundle of your own with --model FILE.onnx"
        ) from None
    return export_bundle(network, path, source=RANDOM)
