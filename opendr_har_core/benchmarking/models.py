"""Models to benchmark: published networks by name and bundles by path, on ONNX Runtime or PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.benchmarking.timing import Job
from opendr_har_core.bundles.graph_cost import graph_cost
from opendr_har_core.errors import ConfigError
from opendr_har_core.frame import Frame
from opendr_har_core.spec import CLIP, CONTINUAL, NANOSECONDS, ModelSpec
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.streaming.settings import EVERY_FRAME

if TYPE_CHECKING:
    from opendr_har_core.networks.x3d import X3D

SIZES = ("xs", "s", "m", "l")
NAMES = tuple(f"{architecture}_{size}" for architecture in (CLIP, CONTINUAL) for size in SIZES)
TORCH, ONNX = RUNTIMES = ("torch", "onnx")
RANDOM = "random weights"
# Enough different frames that no result can be reused, few enough to stay small.
FRAMES_KEPT = 8
STEP_NS = NANOSECONDS // 5


@dataclass(frozen=True)
class Model:
    """Description of a model.

    Attributes:
        name: such as "cox3d_s".
        source: where its weights come from.
        input_shape: of the uint8 input of one evaluation.
        parameters, multiply_adds: of one evaluation of the exported graph; None where they can't be counted here.
    """

    name: str
    source: str
    input_shape: Tuple[int, ...]
    parameters: Optional[int]
    multiply_adds: Optional[int]


@dataclass(frozen=True)
class Subject:
    """A model on a runtime; `place` is the path of a bundle, or the published name of a network for PyTorch."""

    model: Model
    runtime: str
    place: str


def evaluation(recognizer: Recognizer, batch: int = 1) -> Job:
    """A job that evaluates a batch: a step of each of `batch` streams, or one call with `batch` clips.

    Its inputs are cropped uint8 frames; it returns the predictions of the streams, or the probabilities.
    """
    spec = recognizer.spec
    side = spec.image_size
    # Noise takes a network as long as a picture does.
    number = FRAMES_KEPT if spec.is_continual else batch * spec.window
    images = np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)
    if not spec.is_continual:
        clips = images.reshape(batch, *input_shape(spec))
        return lambda: recognizer.classify_clips(clips)
    streams = [recognizer.stream(sampling=EVERY_FRAME) for _ in range(batch)]
    steps = count()

    def step() -> object:
        index = next(steps)
        frame = Frame(images[index % FRAMES_KEPT], index * STEP_NS)
        return recognizer.push_many([(stream, frame) for stream in streams])

    return step


def open_network(network: X3D, threads: int = 0) -> Recognizer:
    """A network on PyTorch, on the processor; sets the number of `threads` for the whole process."""
    import torch

    from opendr_har_core.backends.torch import TorchBackend

    if threads:
        torch.set_num_threads(threads)
    return Recognizer(TorchBackend(network))


def published_subjects(name: str, runtimes: Sequence[str], folder: Path) -> List[Subject]:
    """A published network on each of the runtimes; its bundle is written into `folder`. Raises ConfigError."""
    network = random_network(name)
    try:
        from opendr_har_core.bundles.export import export_bundle
    except ImportError as error:
        raise ConfigError(f"{name} has to be exported, which needs onnx ({error}); {_INSTALL}") from None
    path = str(export_bundle(network, folder / f"{name}.onnx", source=RANDOM))
    model = describe_bundle(path)
    return [Subject(model, runtime, name if runtime == TORCH else path) for runtime in runtimes]


def bundle_subject(path: str) -> Subject:
    """A bundle on ONNX Runtime, by its path or the name of a packaged model; raises ModelError."""
    return Subject(describe_bundle(path), ONNX, str(bundle_path(path)))


def describe_bundle(path: str) -> Model:
    """Name, input and cost of a bundle; the cost is None without the `onnx` package and for tuned bundles."""
    recognizer = Recognizer.open(path)
    parameters, multiply_adds = graph_cost(bundle_path(path)) or (None, None)
    spec = recognizer.spec
    return Model(spec.name, recognizer.source, input_shape(spec), parameters, multiply_adds)


def random_network(name: str) -> X3D:
    """The published network called `name` with random weights; raises ConfigError without PyTorch."""
    try:
        from opendr_har_core.networks.config import x3d_config
        from opendr_har_core.networks.cox3d import CoX3D
        from opendr_har_core.networks.x3d import X3D
    except ImportError as error:
        raise ConfigError(f"{name} needs torch, to be built with random weights ({error}); {_INSTALL}") from None
    architecture, size = name.split("_")
    return (CoX3D if architecture == CONTINUAL else X3D)(x3d_config(size))


def input_shape(spec: ModelSpec) -> Tuple[int, ...]:
    """Shape of the uint8 input of one evaluation."""
    side = spec.image_size
    return (side, side, 3) if spec.is_continual else (spec.window, side, side, 3)


_INSTALL = "pip install 'opendr_har_ros[train]', or benchmark a bundle with --model FILE.onnx"
