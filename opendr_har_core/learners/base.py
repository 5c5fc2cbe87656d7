"""Base of both learners: OpenDR's methods, over the networks, training and runtimes of this package."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Tuple, Union

import numpy as np
import torch

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.protocol import Outputs
from opendr_har_core.errors import ConfigError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.learners.arguments import LearnerArguments, changeable
from opendr_har_core.learners.inputs import Batch
from opendr_har_core.learners.model_folder import ModelRecord, download_pretrained, newest_model, read_model, save_model
from opendr_har_core.learners.optimised import OptimisedModel
from opendr_har_core.learners.types import Category
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import X3D_CONFIGS
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import CONTINUAL, ModelSpec

if TYPE_CHECKING:
    from opendr_har_core.training.fit import FitReport

PathLike = Union[str, Path]
FORM = ("temporal_window_size", "lookahead")  # of a CoX3D; any weights fit all forms


class Learner:
    """A network with its labels; `X3DLearner` and `CoX3DLearner` define which network, and how it infers.

    The constructor arguments are attributes; those of training can be assigned. `model` is the PyTorch network, None
    after loading an `.onnx` file alone.
    """

    architecture = ""

    def __init__(self, arguments: LearnerArguments) -> None:
        self._arguments = arguments.on_available_device()
        self._chosen = {name: getattr(arguments, name) for name in FORM if getattr(arguments, name) is not None}
        self._optimised: Optional[OptimisedModel] = None
        network = self._fresh(arguments.backbone, arguments.num_classes)
        self._adopt(network, LabelMap.numbered(arguments.num_classes))

    def __getattr__(self, name: str) -> Any:
        arguments = self.__dict__.get("_arguments")
        if arguments is None or not hasattr(arguments, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(arguments, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in changeable():
            self._arguments = replace(self._arguments, **{name: value})
        elif name in LearnerArguments.__dataclass_fields__:
            raise ConfigError(f"{name} can't be assigned, because it defines the network; create another learner")
        elif name == "model" and not (value is None or isinstance(value, X3D)):
            raise ConfigError(f"model is a {type(value).__name__}, expected an X3D or CoX3D network, or None")
        else:
            super().__setattr__(name, value)

    @property
    def spec(self) -> ModelSpec:
        """The network, and the input that it expects."""
        return self._spec

    @property
    def backbone(self) -> str:
        """Size of the network."""
        return self._spec.size

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self._labels)

    @property
    def labels(self) -> LabelMap:
        """Class names; assign others, one for each class."""
        return self._labels

    @labels.setter
    def labels(self, names: Iterable[str]) -> None:
        self._labels = LabelMap.numbered(self.num_classes, names)

    @property
    def model_hparams(self) -> Dict[str, int]:
        """OpenDR's name for facts about the size: `image_size`, `frames_per_clip`, `temporal_downsampling`."""
        spec = self._spec
        frames = X3D_CONFIGS[spec.size].frames if spec.size in X3D_CONFIGS else spec.window
        return {"image_size": spec.image_size, "frames_per_clip": frames, "temporal_downsampling": spec.stride}

    @property
    def ort_session(self) -> Optional[OnnxBackend]:
        """OpenDR's name for the graph that runs after `optimize`; assign None to run in PyTorch again."""
        return self._optimised.backend(self.model, self._labels) if self._optimised else None

    @ort_session.setter
    def ort_session(self, session: None) -> None:
        if session is not None:
            raise ConfigError(f"ort_session can only be set to None, got {type(session).__name__}; call optimize()")
        self._optimised = None
        self.reset()

    def init_model(self) -> X3D:
        """Start again with the random weights of `seed`; returns the network."""
        network = self._fresh(self.backbone, self.num_classes)
        self._adopt(network, self._labels)
        return network

    @property
    def warm(self) -> bool:
        """Whether the last `infer` returned a result; always True for a clip network."""
        return True

    def reset(self) -> None:
        """Start a new stream; a clip network has no state."""

    def fit(
        self,
        dataset: Any,
        val_dataset: Any = None,
        epochs: Optional[int] = None,
        steps: Optional[int] = None,
        logging_path: Optional[PathLike] = "logs",
        **options: Any,
    ) -> FitReport:
        """Train on `dataset`, validate on `val_dataset` after each epoch, and report the best results and the paths.

        `epochs` None means `iters`, or no limit if `steps`, the number of all training steps, is given. Logs for
        TensorBoard and as CSV go to `logging_path`; None writes none. `options` are further `TrainingSettings`, such as
        `freeze`. The learner takes the labels of the dataset. Raises ConfigError, DataError or CheckpointError.
        """
        from opendr_har_core.training.data import check_dataset
        from opendr_har_core.training.fit import fit

        network = self._network("train")
        check_dataset(dataset, network.num_classes, "training")
        log = None if logging_path is None else str(_path(logging_path))
        given = {"epochs": epochs, "steps": steps, "logging_path": log, **options}
        settings = self._arguments.training(self._spec.name, len(dataset), given)
        try:
            report = fit(network, dataset, val_dataset, settings)
            self._labels = LabelMap(dataset.labels)
        finally:  # a run that fails has changed the weights, too
            network.to(self.device)
            self.reset()
        return report

    def save(self, path: PathLike) -> Learner:
        """Write the model to the folder `path` in OpenDR's format, as a new version if there is one already.

        Raises ModelError if it can't be written.
        """
        network = self.model if self._optimised else self._network("save")
        bundle = self._optimised.bundle(network, self._labels) if self._optimised else None
        arguments = asdict(self._arguments)
        training = {name: arguments[name] for name in changeable()}
        # A bundle keeps its own head, with other labels than its network has.
        labels = self._labels if self._optimised is None else self._optimised.backend(network, self._labels).labels
        save_model(_path(path), self._spec, labels, network, bundle, training)
        return self

    def load(self, path: PathLike, new_head: bool = False) -> Learner:
        """Load a saved folder (its newest model), its `.json`, weights in `.pth`, `.pyth` or `.ckpt`, or an `.onnx`.

        A saved model restores its size, classes and training arguments (lr, batch_size, ...), a `.ckpt` of `fit` its
        size and classes; both restore window and lookahead, unless the constructor was given others. With `new_head`,
        the learner keeps its number of classes and training arguments and ignores the classifier of the file if that
        has another number: use it to start training for other actions.

        Raises ModelError or CheckpointError if the file does not fit; the learner is then unchanged.
        """
        path = _path(path)
        if path.is_dir():
            path = newest_model(path, self.architecture, self._arguments.backbone)
        before = dict(vars(self))
        try:
            self._take(read_model(path), new_head)
        except BaseException:
            vars(self).update(before)
            raise
        return self

    def optimize(self, do_constant_folding: bool = False) -> None:
        """Export the network to ONNX and run the graph from now on; it is exported again when the weights change.

        The graphs have no constants to fold, so `do_constant_folding` has no effect. Raises ConfigError if `temp_path`
        can't be written.
        """
        if not isinstance(do_constant_folding, bool):
            raise ConfigError(f"do_constant_folding is {do_constant_folding!r}, expected True or False")
        optimised = self._optimised or OptimisedModel(self.temp_path, self.device)
        optimised.backend(self.model, self._labels)
        self._optimised = optimised
        self.reset()

    @staticmethod
    def download(path: PathLike, model_names: Iterable[str] = frozenset({"xs", "s", "m", "l"})) -> Dict[str, Path]:
        """Download pretrained Kinetics-400 weights to `path`/x3d_{name}.pyth and return the paths by name.

        Shows progress on a terminal, resumes, and checks that the weights fit. Raises ConfigError for a name other than
        xs, s, m and l, DownloadError if a file can't be downloaded completely.
        """
        return download_pretrained(_path(path), model_names)

    def _network(self, purpose: str) -> X3D:
        if self.model is None:
            raise ConfigError(
                f"can't {purpose}: there is no torch network, as after loading an .onnx; load its weights (.pth, .pyth "
                f"or a saved folder), or start with random ones with init_model()"
            )
        return self.model

    def _build(self, size: str, num_classes: int) -> X3D:
        raise NotImplementedError

    def _graph_and_pixels(self, batch: Batch) -> Tuple[Optional[OnnxBackend], Any]:
        """The graph and its input, if `optimize` was called and the batch is pixels; otherwise None."""
        pixels = batch.whole_pixels(self._spec) if self._optimised else None
        return (None, None) if pixels is None else (self.ort_session, pixels)

    def _evaluate(self, dataset: Any, steps: Optional[int], stepwise: bool) -> Dict[str, Any]:
        from opendr_har_core.training.evaluate import evaluate

        how = {name: getattr(self, name) for name in ("batch_size", "num_workers", "device")}
        return evaluate(self._network("evaluate"), dataset, steps=steps, stepwise=stepwise, **how).to_dict()

    def _judged(self, graph: OnnxBackend, outputs: Outputs) -> List[Category]:
        """A graph's outputs -> one category per row."""
        return self._categories(outputs.judged_by(graph.metadata.head)[0])

    def _categories(self, scores: np.ndarray) -> List[Category]:
        """float32 (B, classes) -> one category per row."""
        ids = [int(row.argmax()) for row in scores]
        return [Category(index, self._labels[index], row) for index, row in zip(ids, scores)]

    def _fresh(self, size: str, num_classes: int) -> X3D:
        """A network with the first weights of `seed`; does not change the caller's random state."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self._build(size, num_classes)

    def _adopt(self, network: X3D, labels: LabelMap) -> None:
        """Use another network."""
        self._arguments = replace(self._arguments, backbone=network.config.size, num_classes=network.num_classes)
        self.model: Optional[X3D] = network.to(self.device).eval()
        self._spec, self._labels = network.spec, labels
        self.reset()

    def _take(self, record: ModelRecord, new_head: bool) -> None:
        """Use the model of a file."""
        if not new_head:
            try:
                self._arguments = self._arguments.with_saved(record.training)
            except ConfigError as error:
                raise ModelError(f"{record.path} has training arguments that are not allowed: {error}") from None
        if record.weights is None and record.bundle is not None:
            self._take_bundle(record.bundle)
            return
        size = record.size or self._arguments.backbone
        if record.weights is None or size not in X3D_CONFIGS:
            raise ModelError(f"{record.path} names no weights of a size in {sorted(X3D_CONFIGS)}: {size!r}")
        spec, num_classes = record.spec, self._arguments.num_classes
        if spec is not None:
            num_classes = num_classes if new_head else spec.num_classes
            if spec.is_continual and self.architecture == CONTINUAL:
                self._arguments = replace(self._arguments, **{**_form(spec), **self._chosen})
        network = self._fresh(size, num_classes)
        load_weights(network, record.weights, new_head=new_head)
        fits = record.labels is not None and len(record.labels) == num_classes
        self._adopt(network, LabelMap.numbered(num_classes, record.labels if fits else None))
        if record.bundle is not None:
            self.optimize()

    def _take_bundle(self, path: Path) -> None:
        optimised = OptimisedModel(self.temp_path, self.device)
        backend = optimised.open(path)
        if backend.spec.architecture != self.architecture:
            raise ModelError(f"{path} is a {backend.spec.name}, a {type(self).__name__} needs a {self.architecture}")
        form = _form(backend.spec)
        wrong = [name for name, value in self._chosen.items() if form[name] != value]
        if wrong:
            raise ModelError(
                f"{path} has {form}, the learner was given another {wrong}; a bundle can't be changed: leave it out, "
                f"or load the weights that it was made from"
            )
        head = backend.metadata.head
        self._spec, self._labels, self.model = backend.spec, head.labels if head else backend.labels, None
        self._optimised = optimised
        self.reset()


def _form(spec: ModelSpec) -> Dict[str, Any]:
    """Arguments that a CoX3D's spec determines."""
    return {"temporal_window_size": spec.window, "lookahead": spec.lookahead}


def _path(path: Any) -> Path:
    """`path` with the home folder in place of ~; raises ConfigError for anything but a path."""
    if not isinstance(path, (str, os.PathLike)) or "\0" in str(path):
        raise ConfigError(f"the path is {path!r}, expected a string or a pathlib.Path")
    return Path(path).expanduser()
