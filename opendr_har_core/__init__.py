"""Human activity recognition with X3D and CoX3D, without ROS and, for inference, without PyTorch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from opendr_har_core.datasets.clips import ClipSpec as ClipSpec
    from opendr_har_core.datasets.folder import FolderDataset as FolderDataset
    from opendr_har_core.datasets.kinetics import KineticsDataset as KineticsDataset
    from opendr_har_core.errors import HarError as HarError
    from opendr_har_core.frame import Frame as Frame
    from opendr_har_core.frame import LazyFrame as LazyFrame
    from opendr_har_core.labels import LabelMap as LabelMap
    from opendr_har_core.learners.cox3d import CoX3DLearner as CoX3DLearner
    from opendr_har_core.learners.types import Category as Category
    from opendr_har_core.learners.types import Image as Image
    from opendr_har_core.learners.types import Video as Video
    from opendr_har_core.learners.x3d import X3DLearner as X3DLearner
    from opendr_har_core.prediction import Hypothesis as Hypothesis
    from opendr_har_core.prediction import Prediction as Prediction
    from opendr_har_core.spec import ModelSpec as ModelSpec
    from opendr_har_core.streaming.recognizer import Recognizer as Recognizer
    from opendr_har_core.streaming.stream import Stream as Stream
    from opendr_har_core.streaming.stream import StreamStatus as StreamStatus

__version__ = "0.1.0"

# Loaded on first use, so that importing the package is cheap.
_HOMES = {
    "Category": "learners.types",
    "ClipSpec": "datasets.clips",
    "CoX3DLearner": "learners.cox3d",
    "FolderDataset": "datasets.folder",
    "Frame": "frame",
    "HarError": "errors",
    "Hypothesis": "prediction",
    "Image": "learners.types",
    "KineticsDataset": "datasets.kinetics",
    "LabelMap": "labels",
    "LazyFrame": "frame",
    "ModelSpec": "spec",
    "Prediction": "prediction",
    "Recognizer": "streaming.recognizer",
    "Stream": "streaming.stream",
    "StreamStatus": "streaming.stream",
    "Video": "learners.types",
    "X3DLearner": "learners.x3d",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> List[str]:
    return __all__
